#!/bin/sh
# Rewrites the hash-pinned lock of every peer from its .in file, or of those that are named.
set -eu
cd "$(dirname "$0")"
uv=${UV:-uv}
export UV_CUSTOM_COMPILE_COMMAND="load/baselines/requirements/lock.sh"
[ $# -gt 0 ] || set -- uvicorn granian fastapi bentoml litserve mlserver ray mlflow
for peer in "$@"; do
  "$uv" pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate \
    --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
    "$peer.in" --output-file "$peer.txt"
done
