"""Other airports than Santiago: their configuration and the mapping of foreign tables."""
