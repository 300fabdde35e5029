#!/usr/bin/env bash
# Pulls the champion: the model in production, with which the gate compares a new one.
set -euo pipefail
source deploy/names.sh

pointer=$MODEL_BUCKET/releases/production/model
if ! exists "$pointer"; then
  echo "no model is in production yet: there is no champion to compare with"
  exit 0
fi
version=$(gcloud storage cat "$pointer")
gcloud storage cp "$MODEL_BUCKET/models/$version.bentomodel" \
  "$MODEL_BUCKET/models/$version.recipe" "$WORK/"
[ -d "$BENTOML_HOME/models/flight_delay/$version" ] \
  || "$BIN/bentoml" models import "$WORK/$version.bentomodel"
put champion "$version"
echo "champion: $version"
