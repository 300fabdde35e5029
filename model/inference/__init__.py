"""Score flights: everything that travels in the bento, and nothing else of the model."""
