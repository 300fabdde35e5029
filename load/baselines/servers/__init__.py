"""The baselines' servers, as one would write them by hand from each project's own guide."""
