"""Tools that the measurements share: load generators, servers, payloads, statistics."""
