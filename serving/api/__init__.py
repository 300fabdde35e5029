"""Answer the routes of the HTTP contract."""
