"""What is known before departure, as numbers: one class per idea, one builder of them all."""

from features.builder import FeatureBuilder, Level

__all__ = ["FeatureBuilder", "Level"]
