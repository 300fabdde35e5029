"""Define the JSON contract: schema, decoding, encoding."""
