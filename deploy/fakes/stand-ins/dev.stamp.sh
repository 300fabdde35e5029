#!/usr/bin/env bash
# In place of `make .venv/dev.stamp`: the environment that runs this is used.
set -euo pipefail
