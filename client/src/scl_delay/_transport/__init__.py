"""Parts of HTTP that both clients share: bodies, retries, authentication, errors."""
