#!/usr/bin/env bash
# Makes the bento and its image; takes the image that there is for this commit and model.
set -euo pipefail
source deploy/names.sh

image=$REPOSITORY/service:${COMMIT:0:12}-$(get model)
gcloud auth configure-docker "${REPOSITORY%%/*}" --quiet
sbom=$MODEL_BUCKET/sboms/${image##*:}.cdx.json
if docker pull --quiet "$image" && gcloud storage cp "$sbom" "$WORK/sbom.cdx.json"; then
  echo "there is an image of this commit and model already: $image"
else
  # layers of the last image are taken over where nothing in them changed
  cache=$REPOSITORY/service:cache-$ENVIRONMENT
  docker pull --quiet "$cache" || true
  IMAGE=$image REVISION=$COMMIT CACHE_FROM=$cache SBOM=$WORK/sbom.cdx.json make image
  gcloud storage cp "$WORK/sbom.cdx.json" "$sbom"
fi
put tag "$image"
