#!/usr/bin/env bash
# Takes the environment's lock, so that two builds never deploy to it at the same time.
set -euo pipefail
source deploy/names.sh

# An object that may be created only where there is none is a lock (--if-generation-match=0). A
# build that fails leaves it behind: a lock whose build no longer runs is taken away.
lock=$MODEL_BUCKET/locks/$ENVIRONMENT
patience=${LOCK_SECONDS:-3600}
pause=${LOCK_PAUSE:-20}
until printf '%s' "$BUILD" | gcloud storage cp - "$lock" --if-generation-match=0; do
  ((SECONDS < patience)) || { echo "$lock could not be had in $patience s" >&2; exit 1; }
  # where it was given back just now there is nothing to describe, or to read
  generation=$(gcloud storage objects describe "$lock" --format='value(generation)') || { sleep 1; continue; }
  holder=$(gcloud storage cat "$lock#$generation") || { sleep 1; continue; }
  [ "$holder" != "$BUILD" ] || break
  state=$(gcloud builds describe "$holder" --region="$REGION" --format='value(status)')
  case $state in
    QUEUED | PENDING | WORKING)
      echo "build $holder deploys to $ENVIRONMENT: waiting"
      sleep "$pause" ;;
    *)
      echo "build $holder ended ($state) and left its lock: taken away"
      gcloud storage rm "$lock" --if-generation-match="$generation" || true ;;
  esac
done
echo "build $BUILD holds $lock"
