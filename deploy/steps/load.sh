#!/usr/bin/env bash
# Runs a short load test on the candidate; rolls back if it is slow or fails.
set -euo pipefail
source deploy/names.sh

trap deploy/steps/back.sh ERR
source deploy/token.sh
"$BIN/python" -m deploy.checks load "$(get candidate-url)" \
  --rate "${LOAD_RATE:-50}" --seconds "${LOAD_SECONDS:-20}" --p99-ms "${P99_MS:-250}"
