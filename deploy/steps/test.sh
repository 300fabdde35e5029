#!/usr/bin/env bash
# Runs the whole test suite on the fetched flights.
set -euo pipefail
source deploy/names.sh

SCL_DATASET=$WORK/dataset_SCL.csv make test
