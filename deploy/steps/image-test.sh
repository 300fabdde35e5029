#!/usr/bin/env bash
# Tests the structure of that very image, and runs it.
set -euo pipefail
source deploy/names.sh

IMAGE=$(get tag) REVISION=$COMMIT make image-test
