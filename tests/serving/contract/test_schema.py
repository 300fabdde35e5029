"""The contract's published names against those that the model uses."""

from __future__ import annotations

from model.inference import GROUPS
from serving.contract.schema import Contribution


def test_the_published_groups_are_those_of_the_explanations() -> None:
    """The schema of a contribution lists exactly the groups that an explanation can name."""
    published = Contribution.model_json_schema()["properties"]["group"]
    assert published["enum"] == list(GROUPS)
