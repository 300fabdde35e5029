"""Load, validate and represent flights.

This package imports nothing: only the modules that read files import pandas, so that the service
can use `data.flights` without it.
"""
