#!/usr/bin/env bash
# Sets TOKEN, with which the checks call the private service; sourced after names.sh.
# The URL of a tag accepts tokens for the service's URL.
TOKEN=$(gcloud auth print-identity-token --impersonate-service-account="$CALL_ACCOUNT" \
  --audiences="$(get url)" --include-email)
export TOKEN
