"""What the sync and async clients share of HTTP: bodies, retries, keys, errors."""
