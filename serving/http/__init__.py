"""HTTP/1.1 server on uvicorn; no other package of serving imports uvicorn."""
