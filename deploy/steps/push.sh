#!/usr/bin/env bash
# Pushes the image and attaches its SBOM; later steps use only the digest.
set -euo pipefail
source deploy/names.sh

tag=$(get tag)
name=${tag%:*}
docker push --quiet "$tag"
image=$(docker inspect --format='{{range .RepoDigests}}{{println .}}{{end}}' "$tag" | grep "^$name@sha256:")
put image "$image"

# Cloud Build signs the provenance of the images under `images:` at the end of the build
docker tag "$tag" "$name:build-$BUILD"
docker tag "$tag" "$name:cache-$ENVIRONMENT"
docker push --quiet "$name:cache-$ENVIRONMENT"
gcloud artifacts sbom load --source="$WORK/sbom.cdx.json" --uri="$image" --project="$PROJECT"
echo "image: $image"
