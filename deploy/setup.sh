#!/usr/bin/env bash
# Creates the resources of the pipeline in a Google Cloud project; existing ones are kept.
#
#   PROJECT=my-project deploy/setup.sh             prints every command, changes nothing
#   PROJECT=my-project deploy/setup.sh --apply     prints and runs them
#   ... --public                                   makes the service public (see README.md)
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/names.sh

apply=no
public=no
for option in "$@"; do
  case $option in
    --apply) apply=yes ;;
    --public) public=yes ;;
    *) echo "unknown option $option: --apply and --public are known" >&2; exit 2 ;;
  esac
done
CONNECTION=${CONNECTION:-github}
REPOSITORY_NAME=${REPOSITORY_NAME:-$NAME}
SCHEDULE=${SCHEDULE:-0 6 2 * *}

# print a command, and run it with --apply
run() {
  printf '+'
  printf ' %q' "$@"
  printf '\n'
  [ $apply = no ] || "$@"
}

# run the command after --, unless the one before it finds its resource
unless() {
  local look=()
  while [ "$1" != -- ]; do look+=("$1"); shift; done
  shift
  if [ $apply = yes ] && "${look[@]}" > /dev/null 2>&1; then
    echo "= there already: ${*:2:4}"
  else
    run "$@"
  fi
}

role() { # role ROLE ACCOUNT COMMAND...: grants a role to an account, on the smallest possible resource
  run "${@:3}" --member="serviceAccount:$2" --role="roles/$1"
}

echo "# services of the project"
run gcloud services enable run.googleapis.com cloudbuild.googleapis.com iamcredentials.googleapis.com \
  artifactregistry.googleapis.com containeranalysis.googleapis.com secretmanager.googleapis.com \
  pubsub.googleapis.com cloudscheduler.googleapis.com --project="$PROJECT"

echo "# accounts: for the service, builds, pull requests, and calls to the service"
for account in "$RUN_ACCOUNT" "$BUILD_ACCOUNT" "$CHECK_ACCOUNT" "$CALL_ACCOUNT"; do
  unless gcloud iam service-accounts describe "$account" --project="$PROJECT" -- \
    gcloud iam service-accounts create "${account%%@*}" --project="$PROJECT"
done

echo "# images, and buckets for flights and models"
unless gcloud artifacts repositories describe "$NAME" --location="$REGION" --project="$PROJECT" -- \
  gcloud artifacts repositories create "$NAME" --repository-format=docker \
  --location="$REGION" --project="$PROJECT"
run gcloud artifacts repositories set-cleanup-policies "$NAME" --policy=deploy/cleanup.json \
  --location="$REGION" --project="$PROJECT"
for bucket in "$DATA_BUCKET" "$MODEL_BUCKET"; do
  unless gcloud storage buckets describe "$bucket" -- \
    gcloud storage buckets create "$bucket" --location="$REGION" --project="$PROJECT" \
    --uniform-bucket-level-access --public-access-prevention
done

echo "# roles; the service's account has none, because the model is in the image"
on_bucket() { role "$1" "$2" gcloud storage buckets add-iam-policy-binding "$3"; }
on_project() { role "$1" "$2" gcloud projects add-iam-policy-binding "$PROJECT" --condition=None; }
on_account() {
  role "$1" "$2" gcloud iam service-accounts add-iam-policy-binding "$3" --project="$PROJECT"
}
on_bucket storage.objectAdmin "$BUILD_ACCOUNT" "$DATA_BUCKET"
on_bucket storage.objectAdmin "$BUILD_ACCOUNT" "$MODEL_BUCKET"
on_bucket storage.legacyBucketReader "$BUILD_ACCOUNT" "$DATA_BUCKET"
on_bucket storage.legacyBucketReader "$BUILD_ACCOUNT" "$MODEL_BUCKET"
on_bucket storage.objectViewer "$CHECK_ACCOUNT" "$DATA_BUCKET"
on_bucket storage.legacyBucketReader "$CHECK_ACCOUNT" "$DATA_BUCKET"
role artifactregistry.writer "$BUILD_ACCOUNT" gcloud artifacts repositories add-iam-policy-binding \
  "$NAME" --location="$REGION" --project="$PROJECT"
role artifactregistry.reader "$CHECK_ACCOUNT" gcloud artifacts repositories add-iam-policy-binding \
  "$NAME" --location="$REGION" --project="$PROJECT"
on_project run.developer "$BUILD_ACCOUNT"
on_project cloudbuild.builds.viewer "$BUILD_ACCOUNT"
on_project containeranalysis.notes.editor "$BUILD_ACCOUNT"
on_project containeranalysis.occurrences.editor "$BUILD_ACCOUNT"
on_project logging.viewer "$BUILD_ACCOUNT"
on_project logging.logWriter "$BUILD_ACCOUNT"
on_project logging.logWriter "$CHECK_ACCOUNT"
on_project run.invoker "$CALL_ACCOUNT"
on_account iam.serviceAccountUser "$BUILD_ACCOUNT" "$RUN_ACCOUNT"
on_account iam.serviceAccountTokenCreator "$BUILD_ACCOUNT" "$CALL_ACCOUNT"

echo "# the image that the steps run in"
run gcloud builds submit deploy/builder --config=deploy/builder/cloudbuild.yaml --region="$REGION" \
  --project="$PROJECT" --substitutions="_IMAGE=$REPOSITORY/builder:1" --gcs-source-staging-dir="$DATA_BUCKET/source" \
  --service-account="projects/$PROJECT/serviceAccounts/$BUILD_ACCOUNT"

echo "# triggers, and the schedule of retraining (the repository must be connected: see README.md)"
unless gcloud pubsub topics describe "$RETRAIN_TOPIC" --project="$PROJECT" -- \
  gcloud pubsub topics create "$RETRAIN_TOPIC" --project="$PROJECT"
for trigger in deploy/triggers/*.yaml; do
  rendered=$WORK/$(basename "$trigger")
  values=()
  for name in PROJECT REGION CONNECTION REPOSITORY_NAME BUILD_ACCOUNT CHECK_ACCOUNT RETRAIN_TOPIC; do
    ! grep -q "\${$name}" "$trigger" || values+=("$name=${!name}")
  done
  python3 -m deploy.render "$trigger" "${values[@]}" > "$rendered"
  run gcloud builds triggers import --source="$rendered" --region="$REGION" --project="$PROJECT"
done
unless gcloud scheduler jobs describe "$RETRAIN_TOPIC" --location="$REGION" --project="$PROJECT" -- \
  gcloud scheduler jobs create pubsub "$RETRAIN_TOPIC" --topic="$RETRAIN_TOPIC" \
  --schedule="$SCHEDULE" --time-zone=America/Santiago --message-body=retrain \
  --location="$REGION" --project="$PROJECT"

if [ $public = yes ]; then
  echo "# public access to the service of $ENVIRONMENT, which must have been deployed once"
  run gcloud run services add-iam-policy-binding "$SERVICE" --region="$REGION" \
    --project="$PROJECT" --member=allUsers --role=roles/run.invoker
fi
[ $apply = yes ] || echo "# nothing was changed: add --apply to run these commands"
