"""One module per measurement, each with the table that it fills."""
