#!/usr/bin/env bash
# Tests the structure of the image, then runs it and tests its contract.
set -euo pipefail
source deploy/names.sh

IMAGE=$(get tag) REVISION=$COMMIT make image-test
