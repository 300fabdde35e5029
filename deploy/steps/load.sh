#!/usr/bin/env bash
# Puts the candidate under a short, steady load; takes it back where it is slow or fails.
set -euo pipefail
source deploy/names.sh

trap deploy/steps/back.sh ERR
source deploy/token.sh
"$BIN/python" -m deploy.checks load "$(get candidate-url)" \
  --rate "${LOAD_RATE:-50}" --seconds "${LOAD_SECONDS:-20}" --p99-ms "${P99_MS:-250}"
