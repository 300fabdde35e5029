#!/usr/bin/env bash
# Defines the names of all cloud resources; sourced by the steps and by setup.sh.
# Set PROJECT; all others have defaults. WORK holds the values passed between steps.
: "${PROJECT:?name the Google Cloud project: PROJECT=my-project}"
REGION=${REGION:-southamerica-west1}
ENVIRONMENT=${ENVIRONMENT:-staging}
COMMIT=${COMMIT:-$(git rev-parse HEAD)}
BUILD=${BUILD:-local}
WORK=${WORK:-build/pipeline}

NAME=flight-delay
SERVICE=$NAME
[ "$ENVIRONMENT" = production ] || SERVICE=$NAME-$ENVIRONMENT
REPOSITORY=${REGISTRY:-$REGION-docker.pkg.dev}/$PROJECT/$NAME
DATA_BUCKET=gs://$PROJECT-$NAME-data
MODEL_BUCKET=gs://$PROJECT-$NAME-models
RELEASES=$MODEL_BUCKET/releases/$ENVIRONMENT
ACCOUNTS=$PROJECT.iam.gserviceaccount.com
RUN_ACCOUNT=$NAME-run@$ACCOUNTS
BUILD_ACCOUNT=$NAME-build@$ACCOUNTS
CHECK_ACCOUNT=$NAME-check@$ACCOUNTS
CALL_ACCOUNT=$NAME-call@$ACCOUNTS
RETRAIN_TOPIC=$NAME-retrain

BIN=${BIN:-.venv/bin}
BENTOML_HOME=${BENTOML_HOME:-$PWD/$WORK/bentoml}
BENTOML_DO_NOT_TRACK=true
mkdir -p "$WORK"

# values passed between steps: put NAME VALUE, get NAME
put() { printf '%s\n' "$2" > "$WORK/$1"; }
get() { cat "$WORK/$1"; }

# whether an object exists; an unreachable bucket is an error
exists() {
  gcloud storage buckets describe "gs://$(cut -d/ -f3 <<< "$1")" --format='value(name)' > /dev/null || exit 1
  gcloud storage ls "$1" > /dev/null 2>&1
}

export PROJECT REGION ENVIRONMENT COMMIT BUILD WORK SERVICE REPOSITORY DATA_BUCKET MODEL_BUCKET
export RELEASES RUN_ACCOUNT BUILD_ACCOUNT CHECK_ACCOUNT CALL_ACCOUNT RETRAIN_TOPIC BIN
export BENTOML_HOME BENTOML_DO_NOT_TRACK
