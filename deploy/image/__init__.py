"""The container image: how it is built, what it holds, what it is checked for."""
