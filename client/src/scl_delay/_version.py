"""Version of the package: that of the service, see `tests/test_version.py`."""

__version__ = "1.0.0"
