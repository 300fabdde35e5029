#!/usr/bin/env bash
# make rollback: sends all traffic to the previous release, or to the revision in TO.
set -euo pipefail
source deploy/names.sh

current=$("$BIN/python" -m deploy.traffic stable)
read -r _ _ previous < <(gcloud storage cat "$RELEASES/$current" && echo)
target=${TO:-$previous}
[ "$target" != none ] || { echo "$current is the first release: there is none before it" >&2; exit 1; }
read -r model _ < <(gcloud storage cat "$RELEASES/$target" && echo)
: "${model:?there is no record of a release $target}"
echo "from $current back to $target, with model flight_delay:$model"
gcloud run services update-traffic "$SERVICE" --region="$REGION" --project="$PROJECT" \
  --to-revisions="$target=100"
# the next model is compared with the one that serves now
printf '%s' "$model" | gcloud storage cp - "$RELEASES/model"
