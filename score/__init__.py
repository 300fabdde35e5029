"""Score files of flights of any size with the service's features and model."""
