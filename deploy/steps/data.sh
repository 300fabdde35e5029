#!/usr/bin/env bash
# Fetches the flights from the bucket, or the first time from the public copies; checks their hash.
set -euo pipefail
source deploy/names.sh

file=$WORK/dataset_SCL.csv
source=$DATA_BUCKET/flights/dataset_SCL.csv
if exists "$source"; then
  gcloud storage cp "$source" "$source.sha256" "$WORK/"
else
  "$BIN/python" -m deploy.flights "$file" # data/download.py checks the published hash
  (cd "$WORK" && sha256sum dataset_SCL.csv > dataset_SCL.csv.sha256)
  # pull requests cannot write; the checksum is first, so that no build finds flights without it
  gcloud storage cp "$file.sha256" "$source.sha256" \
    && gcloud storage cp "$file" "$source" --if-generation-match=0 || echo "not kept in the bucket"
fi
(cd "$WORK" && sha256sum --check --quiet dataset_SCL.csv.sha256)
echo "flights: $file"
