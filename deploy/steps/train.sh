#!/usr/bin/env bash
# Trains and applies the champion gate; keeps the champion if its code and flights are unchanged.
set -euo pipefail
source deploy/names.sh

# inputs of a model: the code of training, its locked packages and the flights
recipe=$({ git ls-files --stage data features model train.py requirements/train.lock
  sha256sum < "$WORK/dataset_SCL.csv"; } | sha256sum | cut -d' ' -f1)
champion=$([ ! -f "$WORK/champion" ] || get champion)

if [ "${RETRAIN:-changed}" = changed ] && [ -n "$champion" ] \
  && [ "$(get "$champion.recipe")" = "$recipe" ]; then
  echo "the champion has the same code and flights: kept"
  version=$champion
else
  SCL_DATASET=$WORK/dataset_SCL.csv make train # exit 3: rejected by the gate
  version=$(cat "$BENTOML_HOME/models/flight_delay/latest")
fi
put model "$version"

target=$MODEL_BUCKET/models/$version
if ! exists "$target.recipe"; then
  "$BIN/bentoml" models export "flight_delay:$version" "$WORK/$version.bentomodel"
  gcloud storage cp "$WORK/$version.bentomodel" "$target.bentomodel"
  printf '%s' "$recipe" | gcloud storage cp - "$target.recipe"
fi
echo "model: flight_delay:$version"
