# make serve: everything from nothing to a running service. make test: everything that is tested.
# `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PORT ?= 3000
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BENTOML_HOME ?= $(HOME)/bentoml
export PORT BENTOML_HOME
export BENTOML_DO_NOT_TRACK := true
# on a busy machine, threads of LightGBM that spin while they wait cost more than they bring
export OMP_WAIT_POLICY := passive
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
UV := .tools/bin/uv
MODEL := $(BENTOML_HOME)/models/flight_delay/latest
CODE := data features model serving score monitor tests load deploy service.py train.py

.PHONY: help
help:  ## list the targets
	@awk -v width=80 -v at=25 "$$HELP" $(firstword $(MAKEFILE_LIST))
	@printf '\nvariables: PORT=%s BENTOML_HOME=%s\n' "$(PORT)" "$(BENTOML_HOME)"
	@printf '           SCL_DATASET (the flights: path or address), PYTHON (Python 3.11)\n'

# groups are the rulers of this file; long explanations are broken at words
define HELP
/^# --- / { group = $$0; gsub(/^# --- | -+$$/, "", group) }
/^[a-z-]+:.*## / {
  if (group != "") { printf "\n%s\n", group; group = "" }
  name = $$1; sub(/:.*/, "", name); sub(/^.*## /, "")
  line = sprintf("  make %-" (at - 8) "s", name)
  for (i = 1; i <= NF; i++) {
    if (length(line) + length($$i) + 1 > width) { print line; line = sprintf("%" (at - 1) "s", "") }
    line = line " " $$i
  }
  print line
}
endef
export HELP

# --- the two commands -------------------------------------------------------------------------

.PHONY: serve
serve: port .venv/train.stamp $(MODEL)  ## train and register a model if there is none, then serve it
	@printf '\n  page    http://localhost:%s\n  API     http://localhost:%s/docs\n' "$(PORT)" "$(PORT)"
	@printf '  shell   curl -s localhost:%s/predict_delay -H "content-type: application/json" -d @tests/request.json\n' "$(PORT)"
	@printf '  Python  pip install ./client; SCL_DELAY_URL=http://localhost:%s python examples/predict.py\n' "$(PORT)"
	@printf '  read    docs/README.md   (stop with Ctrl-C)\n\n'
	exec $(BIN)/bentoml serve --port "$(PORT)"

# asked before anything is trained
.PHONY: port
port:
	@if (exec 3<>/dev/tcp/127.0.0.1/$(PORT)) 2>/dev/null; then \
	  echo "Port $(PORT) is in use. Stop what listens there, or take another:  make serve PORT=$$(($(PORT) + 1))"; exit 1; fi

JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: test
test: .venv/dev.stamp  ## run the whole test suite in JOBS processes (default: one per core)
	$(BIN)/pytest -n $(JOBS) --dist loadfile

.PHONY: test-fast
test-fast: .venv/dev.stamp  ## run the tests without servers, browsers and training: two minutes
	$(BIN)/pytest -n $(JOBS) --dist loadfile -m "not slow"

# --- the model --------------------------------------------------------------------------------

$(MODEL): | .venv/train.stamp
	$(BIN)/python train.py

.PHONY: train
train: .venv/train.stamp  ## train on the best data at hand, evaluate with one seed, register
	$(BIN)/python train.py

.PHONY: evaluate
evaluate: .venv/train.stamp  ## train and evaluate with all five seeds, register, write docs/model-card.md
	$(BIN)/python train.py --seeds 5
	$(BIN)/python train.py card

.PHONY: refresh
refresh: .venv/train.stamp  ## bring the registered model up to date with newer outcomes, without a fit
	$(BIN)/python train.py refresh

.PHONY: experiments
experiments: .venv/experiments.stamp  ## run the attempts that are not there yet, write docs/experiments
	OMP_NUM_THREADS=1 $(BIN)/python train.py experiments

.PHONY: bento
bento: .venv/train.stamp $(MODEL)  ## build the bento flight_delay_service
	$(BIN)/bentoml build

# --- the image --------------------------------------------------------------------------------

IMAGE ?= flight-delay-service:latest
BASE_IMAGE ?= python:3.11-slim

.PHONY: image
image: export IMAGE := $(IMAGE)
image: export BASE_IMAGE := $(BASE_IMAGE)
image: .venv/dev.stamp $(MODEL)  ## build the container image IMAGE on BASE_IMAGE, with the model inside
	$(BIN)/python -m deploy.image.build

.PHONY: image-test
image-test: export IMAGE := $(IMAGE)
image-test: .venv/dev.stamp  ## check IMAGE: hadolint, container-structure-test, its contract
	$(BIN)/python -m deploy.image.check
	$(BIN)/pytest tests/container

.PHONY: coldstart
coldstart: export IMAGE := $(IMAGE)
coldstart: .venv/dev.stamp  ## measure the cold start of IMAGE beside a bare BentoML, write docs/coldstart.md
	$(BIN)/python -m load.scenarios.cold_start

# --- monitoring -------------------------------------------------------------------------------

.PHONY: monitor
monitor: .venv/train.stamp $(MODEL)  ## judge the registered model on later flights, write reports/monitor.html
	OMP_NUM_THREADS=1 $(BIN)/python -m monitor

.PHONY: monitor-demo
monitor-demo: .venv/train.stamp  ## replay the monitoring of a year week by week, write docs/monitoring.md
	OMP_NUM_THREADS=1 $(BIN)/python -m monitor.study

.PHONY: score
score: .venv/train.stamp $(MODEL)  ## score a file of any size: INPUT=flights.csv.gz OUTPUT=scores.parquet
	$(BIN)/python -m score "$(INPUT)" -o "$(OUTPUT)" $(OPTIONS)

# --- load -------------------------------------------------------------------------------------

.PHONY: load
load: .venv/train.stamp $(MODEL)  ## put the service under load with wrk, write docs/load.md
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.steady

.PHONY: load-peers
load-peers: .venv/train.stamp $(MODEL) $(UV)  ## the service beside its baselines, write docs/peers.md
	OMP_NUM_THREADS=1 UV=$(abspath $(UV)) $(BIN)/python -m load.baselines

.PHONY: load-overload
load-overload: .venv/train.stamp $(MODEL)  ## more arrivals than the service can take, write docs/overload.md
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.overload

.PHONY: soak
soak: .venv/train.stamp $(MODEL)  ## 30 minutes at 70 % of capacity (MINUTES=), write docs/soak.md
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.soak --minutes $(or $(MINUTES),30) $(OPTIONS)

.PHONY: load-users
load-users: .venv/dev.stamp $(MODEL)  ## realistic users (locust), write reports/users.html
	$(BIN)/python -m load.scenarios.users

.PHONY: load-bulk
load-bulk: .venv/train.stamp $(MODEL)  ## bulk scoring beside the Booster alone, and ten million flights
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.bulk_scoring

.PHONY: kills
kills: .venv/dev.stamp  ## kill bulk scoring at random moments and count its rows (OPTIONS="-k cluster")
	KILLS_FULL=1 OMP_NUM_THREADS=1 $(BIN)/pytest -q --log-cli-level=INFO tests/score/test_killed.py $(OPTIONS)

.PHONY: profile
profile: .venv/dev.stamp $(MODEL)  ## where a request's time goes, write docs/performance.md
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.profile

.PHONY: faults
faults: .venv/dev.stamp  ## do the service every harm at full size, write docs/faults.md
	rm -f reports/faults.json
	FAULTS_FULL=1 $(BIN)/pytest -q tests/faults
	$(BIN)/python -m load.reports.report

# --- the Python client ------------------------------------------------------------------------

.PHONY: client
client: .venv/dev.stamp  ## install the Python client and its command scl-delay into .venv
	$(UV) pip install --quiet --python $(BIN)/python --no-deps ./client

.PHONY: client-models
client-models: .venv/dev.stamp  ## make the client's models from the service's contract
	$(BIN)/python -m client.generate

.PHONY: client-overhead
client-overhead: .venv/dev.stamp $(MODEL)  ## what the client costs beside plain httpx
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.client_overhead

# --- documents --------------------------------------------------------------------------------

.PHONY: pictures
pictures: .venv/dev.stamp  ## take the README's pictures of the page that runs on PORT
	$(BIN)/python -m tests.page.pictures http://localhost:$(PORT)

# --- bad input --------------------------------------------------------------------------------

.PHONY: fuzz
fuzz: .venv/dev.stamp  ## a million bodies against the slow oracle, 20,000 connections against plain uvicorn (INPUTS=, CONNECTIONS=, SEED=)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),1000000) --seed $(or $(SEED),1)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.raw_http --connections $(or $(CONNECTIONS),20000) --seed $(or $(SEED),1)

# --- what is inside ---------------------------------------------------------------------------

SERVED = $(shell sed -nE 's/^([a-z0-9._-]+)==.*/\1/p' requirements/serve.lock)

.PHONY: sbom
sbom: .venv/dev.stamp  ## list what is served: reports/sbom.json (CycloneDX), reports/licences.md
	mkdir -p reports
	$(BIN)/cyclonedx-py requirements requirements/serve.lock --output-reproducible --pyproject pyproject.toml -o reports/sbom.json
	$(BIN)/pip-licenses --from mixed --format markdown --packages $(SERVED) > reports/licences.md

# --- the code ---------------------------------------------------------------------------------

.PHONY: check
check: .venv/dev.stamp  ## formatting, lint, strict types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	PYTHONPATH=client/src $(BIN)/lint-imports
	$(MAKE) deploy-check
	$(BIN)/bandit -q -ll -r data features model serving score monitor client/src service.py train.py
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --disable-plugin HexHighEntropyString \
	  --exclude-files '(\.lock$$|corpus/.*\.jsonl$$)' --exclude-lines 'noqa: S10|//[a-z]+:[a-z]+@'

.PHONY: format
format: .venv/dev.stamp  ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: $(UV)  ## rewrite the hash-pinned locks from pyproject.toml
	UV=$(UV) requirements/lock.sh
	UV=$(abspath $(UV)) load/baselines/requirements/lock.sh

.PHONY: clean
clean:  ## remove the environment and all caches, keep models and reports
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# --- deployment -------------------------------------------------------------------------------

.PHONY: deploy-check
deploy-check: .venv/dev.stamp  ## deploy/: YAML against Google's API documents, shell scripts
	$(BIN)/python -m deploy.validation
	$(BIN)/shellcheck -x $(shell find deploy -name '*.sh') deploy/fakes/bin/* deploy/fakes/docker-bin/*

.PHONY: pipeline-dry-run
pipeline-dry-run: .venv/dev.stamp $(MODEL)  ## deploy twice, without a cloud (FULL=1: tests, training, image too)
	$(BIN)/python -m deploy.dry_run

.PHONY: rollback
rollback: .venv/train.stamp  ## PROJECT=, ENVIRONMENT=, maybe TO=revision: back to the release before
	deploy/steps/rollback.sh

# --- environments -----------------------------------------------------------------------------

# uv comes from the package index, pinned by hash, where it is not there already
$(UV): requirements/uv.lock
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 is needed, and $(or $(PYTHON),no python3) is none. Install it, or name it:  make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	rm -rf .tools/venv .tools/site .tools/bin && mkdir -p .tools/bin
	$(PYTHON) -m venv .tools/venv >/dev/null 2>&1 \
	  && .tools/venv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.lock \
	  && ln -s ../venv/bin/uv .tools/bin/uv \
	  || { rm -rf .tools/venv; $(PYTHON) -m pip install --quiet --target .tools/site --require-hashes -r requirements/uv.lock; \
	       ln -s ../site/bin/uv .tools/bin/uv; }
	@touch $@

.venv/%.stamp: requirements/%.lock | $(UV)
	[ -x $(BIN)/python ] || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r $<
	@touch $@
