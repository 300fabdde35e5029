#!/usr/bin/env bash
# Makes the locked Python environment; packages come from a cache named by the locks' hash.
set -euo pipefail
source deploy/names.sh

key=$(cat requirements/*.lock | sha256sum | cut -c1-16)
archive=$DATA_BUCKET/cache/uv-$key.tar.gz
export UV_CACHE_DIR=$HOME/.cache/uv
mkdir -p "$UV_CACHE_DIR"

cached=no
if exists "$archive"; then
  gcloud storage cat "$archive" | tar -xz -C "$UV_CACHE_DIR"
  cached=yes
fi
make .venv/dev.stamp
# pull requests can read the cache but not write it, so a failed write is not an error
[ $cached = yes ] || tar -cz -C "$UV_CACHE_DIR" . \
  | gcloud storage cp - "$archive" --if-generation-match=0 || echo "the package cache was not saved"
