"""Turn what is known before departure into features: transformers, joined by one builder."""

from features.builder import FeatureBuilder, Level

__all__ = ["FeatureBuilder", "Level"]
