"""Puts the running service under load and reports what it does: `make load`, `make load-peers`."""
