#!/usr/bin/env bash
# Sends all traffic to the candidate, checks it again, and records the release.
set -euo pipefail
source deploy/names.sh

trap deploy/steps/back.sh ERR
gcloud run services update-traffic "$SERVICE" --region="$REGION" --project="$PROJECT" \
  --to-revisions="$(get candidate)=100"
deploy/steps/watch.sh

# `make rollback` and the next champion gate read these; the pointers are written last
stable=$(get stable)
record=$RELEASES/$(get candidate)
printf '%s %s %s' "$(get model)" "$(get image)" "${stable:-none}" | gcloud storage cp - "$record"
printf '%s' "$(get model)" | gcloud storage cp - "$RELEASES/model"
echo "released: $(get candidate)"
