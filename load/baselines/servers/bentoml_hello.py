# BentoML's decorators carry no types
# mypy: disable-error-code="untyped-decorator"
"""BentoML's hello world, to measure the start of a service without a model."""

from __future__ import annotations

from typing import Any

import bentoml


@bentoml.service(name="baseline_hello", workers=1)
class Baseline:
    """Service that returns the number of flights it received."""

    @bentoml.api
    async def predict_delay(self, flights: list[dict[str, Any]]) -> str:
        """Answer without a model."""
        return f"hello, {len(flights)} flights"
