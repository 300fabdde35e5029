# its packages are installed in an environment of its own
# mypy: disable-error-code="import-not-found, misc"
"""MLflow: a model from code, saved as a pyfunc and served by `mlflow models serve`.

python -m load.baselines.servers.mlflow_model FOLDER      save the model
"""

from __future__ import annotations

import sys
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from load.baselines.servers.shared import Scorer
from serving.contract.schema import Flight


class FlightDelay(PythonModel):
    """Model that scores the rows of a frame."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model."""
        del context
        self.scorer = Scorer()

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Validate and score the rows."""
        del context, params
        flights = [Flight.model_validate(row) for row in model_input.to_dict("records")]
        return self.scorer.predict(flights)


if __name__ == "__main__":
    mlflow.pyfunc.save_model(path=sys.argv[1], python_model=__file__, pip_requirements=[])
else:
    set_model(FlightDelay())
