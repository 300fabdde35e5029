#!/usr/bin/env bash
# Watches what the traffic meets: asks the service itself, then reads real users' errors.
set -euo pipefail
source deploy/names.sh

source deploy/token.sh
"$BIN/python" -m deploy.checks load "$(get url)" \
  --rate "${LOAD_RATE:-50}" --seconds "${CANARY_SECONDS:-120}" --p99-ms "${P99_MS:-250}"
filter="resource.type=cloud_run_revision AND resource.labels.service_name=$SERVICE
 AND resource.labels.revision_name=$(get candidate) AND httpRequest.status>=500"
errors=$(gcloud logging read "$filter" --freshness=10m --limit=5 --project="$PROJECT" \
  --format='value(httpRequest.status)')
if [ -n "$errors" ]; then
  echo "$(get candidate) answered people with ${errors//$'\n'/, }" >&2
  exit 1
fi
echo "no request of anybody failed on $(get candidate)"
