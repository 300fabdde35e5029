#!/usr/bin/env bash
# Sets TOKEN, which opens the private service to the checks; sourced after names.sh.
# A tag's address takes tokens made for the service's own.
TOKEN=$(gcloud auth print-identity-token --impersonate-service-account="$CALL_ACCOUNT" \
  --audiences="$(get url)" --include-email)
export TOKEN
