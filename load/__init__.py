"""Load tests of the running service and their reports: `make load`, `make load-peers`."""
