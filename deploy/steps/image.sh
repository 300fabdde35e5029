#!/usr/bin/env bash
# Builds the bento and its image, or reuses the image of this commit and model.
set -euo pipefail
source deploy/names.sh

image=$REPOSITORY/service:${COMMIT:0:12}-$(get model)
gcloud auth configure-docker "${REPOSITORY%%/*}" --quiet
sbom=$MODEL_BUCKET/sboms/${image##*:}.cdx.json
if docker pull --quiet "$image" && gcloud storage cp "$sbom" "$WORK/sbom.cdx.json"; then
  echo "an image of this commit and model exists: $image"
else
  # unchanged layers of the last image are reused
  cache=$REPOSITORY/service:cache-$ENVIRONMENT
  docker pull --quiet "$cache" || true
  IMAGE=$image REVISION=$COMMIT CACHE_FROM=$cache SBOM=$WORK/sbom.cdx.json make image
  gcloud storage cp "$WORK/sbom.cdx.json" "$sbom"
fi
put tag "$image"
