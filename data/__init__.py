"""Where flights come from, and what is known about them.

Importing this package costs nothing: pandas and its friends are imported by the modules that read
files, so that the serving path can use `data.flights` alone.
"""
