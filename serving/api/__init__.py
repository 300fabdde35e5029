"""Routes of the HTTP contract."""
