"""Score many flights: batches of requests, frames and files."""
