"""Integrate with BentoML: the only code that touches its internals."""
