#!/usr/bin/env bash
# Deploys the image as a tagged revision that gets no traffic.
set -euo pipefail
source deploy/names.sh

revision=$SERVICE-${COMMIT:0:8}-${BUILD:0:8}
stable=$("$BIN/python" -m deploy.traffic stable)
put stable "$stable"
put candidate "$revision"

# the first deployment has no other revision that could serve
"$BIN/python" -m deploy.render deploy/service.yaml \
  SERVICE="$SERVICE" IMAGE="$(get image)" RUN_ACCOUNT="$RUN_ACCOUNT" COMMIT="$COMMIT" \
  MODEL="flight_delay:$(get model)" CANDIDATE="$revision" STABLE="${stable:-$revision}" \
  MIN_INSTANCES="${MIN_INSTANCES:-0}" MAX_INSTANCES="${MAX_INSTANCES:-10}" > "$WORK/service.yaml"
trap deploy/steps/back.sh ERR
gcloud run services replace "$WORK/service.yaml" --region="$REGION" --project="$PROJECT"
put url "$("$BIN/python" -m deploy.traffic url)"
put candidate-url "$("$BIN/python" -m deploy.traffic url candidate)"
echo "candidate: $revision at $(get candidate-url), behind ${stable:-nothing}"
