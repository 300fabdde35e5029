#!/usr/bin/env bash
# Checks the service under traffic: a load test, then the errors of real requests in the logs.
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
  echo "$(get candidate) answered requests with ${errors//$'\n'/, }" >&2
  exit 1
fi
echo "no request failed on $(get candidate)"
