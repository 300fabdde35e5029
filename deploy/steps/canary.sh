#!/usr/bin/env bash
# Sends a tenth of the traffic to the candidate and checks it; returns the traffic if it fails.
set -euo pipefail
source deploy/names.sh

trap deploy/steps/back.sh ERR
stable=$(get stable)
if [ -z "$stable" ]; then
  echo "the first revision: nothing to share the traffic with"
  exit 0
fi
gcloud run services update-traffic "$SERVICE" --region="$REGION" --project="$PROJECT" \
  --to-revisions="$(get candidate)=${CANARY_PERCENT:-10},$stable=$((100 - ${CANARY_PERCENT:-10}))"
deploy/steps/watch.sh
