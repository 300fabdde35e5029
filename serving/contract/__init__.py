"""JSON contract: schema, decoding, encoding."""
