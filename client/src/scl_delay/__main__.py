"""`python -m scl_delay` is `scl-delay`."""

from scl_delay.cli import run

run()
