"""Find, load, check and replace the served model."""
