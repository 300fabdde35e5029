#!/usr/bin/env bash
# Replaces `make check` in a dry run: checks nothing.
set -euo pipefail
