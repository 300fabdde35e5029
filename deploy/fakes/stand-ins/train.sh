#!/usr/bin/env bash
# Replaces `make train` in a dry run: registers the model of STAND_IN_STORE; GATE=refuse rejects it.
set -euo pipefail
[ "${GATE:-accept}" = accept ] || { echo "refused by the champion gate" >&2; exit 3; }
mkdir -p "$BENTOML_HOME/models"
cp -r "$STAND_IN_STORE/models/flight_delay" "$BENTOML_HOME/models/"
