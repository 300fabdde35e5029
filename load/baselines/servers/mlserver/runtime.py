# its packages are installed in an environment of its own
# mypy: disable-error-code="import-not-found, misc"
"""MLServer with a custom runtime for the V2 inference protocol."""

from __future__ import annotations

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from load.baselines.servers.shared import Scorer
from serving.contract.schema import Flight


class FlightDelay(MLModel):
    """Runtime that scores flights given as columns."""

    async def load(self) -> bool:
        """Read the model."""
        self.scorer = Scorer()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Validate and score the flights of a request."""
        columns = {each.name: StringCodec.decode_input(each) for each in payload.inputs}
        rows = zip(*columns.values(), strict=True)
        flights = [Flight(**dict(zip(columns, row, strict=True))) for row in rows]
        scored = self.scorer.predict(flights)
        probability = np.array([each["probability"] for each in scored])
        outputs = [
            NumpyCodec.encode_output("probability", probability),
            NumpyCodec.encode_output("delayed", np.array([each["delayed"] for each in scored])),
            StringCodec.encode_output("risk", [each["risk"] for each in scored]),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
