#!/usr/bin/env bash
# In place of `make image-test`: only that there is such an image.
set -euo pipefail
docker inspect --format='{{range .RepoDigests}}{{println .}}{{end}}' "$IMAGE"
