#!/bin/sh
# Rewrites the hash-pinned lock of every baseline from its .in file, or of those that are named.
set -eu
cd "$(dirname "$0")"
uv=${UV:-uv}
export UV_CUSTOM_COMPILE_COMMAND="load/baselines/requirements/lock.sh"
[ $# -gt 0 ] || set -- uvicorn granian fastapi bentoml litserve mlserver ray mlflow
for baseline in "$@"; do
  "$uv" pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate \
    --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
    "$baseline.in" --output-file "$baseline.txt"
done
