"""What is known before departure, as numbers: one class per idea, one builder of them all."""

from features.builder import FeatureBuilder

__all__ = ["FeatureBuilder"]
