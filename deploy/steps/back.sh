#!/usr/bin/env bash
# Gives all traffic back to the last good revision and closes the candidate's address.
set -euo pipefail
source deploy/names.sh

trap - ERR
stable=$(get stable)
if [ -z "$stable" ]; then
  echo "there is no good revision to go back to: the service is new" >&2
  exit 0
fi
echo "going back to $stable" >&2
gcloud run services update-traffic "$SERVICE" --region="$REGION" --project="$PROJECT" \
  --to-revisions="$stable=100" --remove-tags=candidate
