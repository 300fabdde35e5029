#!/usr/bin/env bash
# Takes the environment's lock, so that two builds never deploy to it at the same time.
set -euo pipefail
source deploy/names.sh

# The lock is an object that is created only if it does not exist (--if-generation-match=0). A
# failed build leaves it behind: a lock whose build no longer runs is removed.
lock=$MODEL_BUCKET/locks/$ENVIRONMENT
timeout=${LOCK_SECONDS:-3600}
pause=${LOCK_PAUSE:-20}
until printf '%s' "$BUILD" | gcloud storage cp - "$lock" --if-generation-match=0; do
  ((SECONDS < timeout)) || { echo "$lock is still taken after $timeout s" >&2; exit 1; }
  # a lock that was released in the meantime cannot be described or read
  generation=$(gcloud storage objects describe "$lock" --format='value(generation)') || { sleep 1; continue; }
  holder=$(gcloud storage cat "$lock#$generation") || { sleep 1; continue; }
  [ "$holder" != "$BUILD" ] || break
  state=$(gcloud builds describe "$holder" --region="$REGION" --format='value(status)')
  case $state in
    QUEUED | PENDING | WORKING)
      echo "build $holder deploys to $ENVIRONMENT: waiting"
      sleep "$pause" ;;
    *)
      echo "build $holder ended ($state) and left its lock: removed"
      gcloud storage rm "$lock" --if-generation-match="$generation" || true ;;
  esac
done
echo "build $BUILD holds $lock"
