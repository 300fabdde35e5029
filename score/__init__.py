"""Scores files of flights of any size, by the same features and the same model as the service.

Importing this package costs nothing: what reads tables is imported by the modules that need it.
"""
