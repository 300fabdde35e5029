#!/usr/bin/env bash
# Replaces `make test` in a dry run: only checks that the flights exist.
set -euo pipefail
[ -s "$SCL_DATASET" ]
