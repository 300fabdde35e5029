"""The model folder that MLServer is pointed at."""
