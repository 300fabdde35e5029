"""Run the command line: `python -m scl_delay` equals `scl-delay`."""

from scl_delay.cli import run

run()
