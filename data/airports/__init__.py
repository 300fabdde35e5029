"""Configuration of airports other than Santiago and the mapping of their tables."""
