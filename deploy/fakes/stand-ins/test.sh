#!/usr/bin/env bash
# In place of `make test`: only that the flights are there.
set -euo pipefail
[ -s "$SCL_DATASET" ]
