#!/usr/bin/env bash
# Replaces `make .venv/dev.stamp` in a dry run: the current environment is used.
set -euo pipefail
