#!/usr/bin/env bash
# Releases the environment's lock.
set -euo pipefail
source deploy/names.sh

lock=$MODEL_BUCKET/locks/$ENVIRONMENT
generation=$(gcloud storage objects describe "$lock" --format='value(generation)')
[ "$(gcloud storage cat "$lock#$generation")" = "$BUILD" ] || { echo "not ours: $lock" >&2; exit 1; }
gcloud storage rm "$lock" --if-generation-match="$generation"
