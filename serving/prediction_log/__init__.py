"""The prediction log: what was answered, kept for the day when the outcomes are known."""
