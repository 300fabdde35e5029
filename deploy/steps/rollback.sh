#!/usr/bin/env bash
# make rollback: gives all traffic to the release before this one, or to the revision in TO.
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
# the next model has to stand up to the one that serves
printf '%s' "$model" | gcloud storage cp - "$RELEASES/model"
