#!/usr/bin/env bash
# In place of `make train`: registers the model of the store STAND_IN_STORE; GATE=refuse says no.
set -euo pipefail
[ "${GATE:-accept}" = accept ] || { echo "refused by the champion gate" >&2; exit 3; }
mkdir -p "$BENTOML_HOME/models"
cp -r "$STAND_IN_STORE/models/flight_delay" "$BENTOML_HOME/models/"
