#!/usr/bin/env bash
# Asks the candidate a few real questions; takes it back where an answer is wrong.
set -euo pipefail
source deploy/names.sh

trap deploy/steps/back.sh ERR
source deploy/token.sh
"$BIN/python" -m deploy.checks smoke "$(get candidate-url)" --model "flight_delay:$(get model)"
