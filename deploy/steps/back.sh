#!/usr/bin/env bash
# Returns all traffic to the stable revision and removes the candidate's tag.
set -euo pipefail
source deploy/names.sh

trap - ERR
stable=$(get stable)
if [ -z "$stable" ]; then
  echo "there is no stable revision to return to: the service is new" >&2
  exit 0
fi
echo "returning traffic to $stable" >&2
gcloud run services update-traffic "$SERVICE" --region="$REGION" --project="$PROJECT" \
  --to-revisions="$stable=100" --remove-tags=candidate
