#!/usr/bin/env bash
# Runs the smoke test on the candidate; rolls back if it fails.
set -euo pipefail
source deploy/names.sh

trap deploy/steps/back.sh ERR
source deploy/token.sh
"$BIN/python" -m deploy.checks smoke "$(get candidate-url)" --model "flight_delay:$(get model)"
