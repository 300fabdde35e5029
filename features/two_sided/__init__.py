"""Features that look at flights on both sides of a flight's time: evaluation only."""
