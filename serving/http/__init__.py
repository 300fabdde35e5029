"""Speak HTTP/1.1: the only code that imports uvicorn."""
