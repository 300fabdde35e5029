#!/bin/sh
# Rewrites the hash-pinned locks from the dependency groups in pyproject.toml: `make lock`.
# The largest group is solved first and constrains the smaller ones, so that every lock names the
# same versions: what is tested is what is served.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-uv}
export UV_CUSTOM_COMPILE_COMMAND="make lock"
lock() { # GROUP [CONSTRAINT...]
  group=$1
  shift
  "$uv" pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate \
    --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
    --group "$group" "$@" --output-file "requirements/$group.lock"
}
lock dev "$@"
lock experiments --constraints requirements/dev.lock "$@"
lock dask --constraints requirements/dev.lock "$@"
lock watch --constraints requirements/dev.lock "$@"
lock train --constraints requirements/dev.lock "$@"
lock serve --constraints requirements/train.lock "$@"
"$uv" pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate \
  requirements/uv.in --output-file requirements/uv.lock
