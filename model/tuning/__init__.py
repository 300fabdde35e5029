"""Search parameters and keep a record of the search."""
