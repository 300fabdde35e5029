# `make serve` builds and runs the service; `make test` runs all tests; `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PORT ?= 3000
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BENTOML_HOME ?= $(HOME)/bentoml
export PORT BENTOML_HOME
export BENTOML_DO_NOT_TRACK := true
# LightGBM's waiting threads spin by default, which slows down a busy machine
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

# the comment lines `# --- NAME ---` are the groups; long explanations are wrapped
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

# --- service and tests ------------------------------------------------------------------------

.PHONY: serve
serve: port .venv/train.stamp $(MODEL)  ## train and register a model if there is none, then serve it
	@printf '\n  page    http://localhost:%s\n  API     http://localhost:%s/docs\n' "$(PORT)" "$(PORT)"
	@printf '  shell   curl -s localhost:%s/predict_delay -H "content-type: application/json" -d @tests/request.json\n' "$(PORT)"
	@printf '  Python  pip install ./client; SCL_DELAY_URL=http://localhost:%s python examples/predict.py\n' "$(PORT)"
	@printf '  read    docs/README.md   (stop with Ctrl-C)\n\n'
	exec $(BIN)/bentoml serve --port "$(PORT)"

# checked before training starts
.PHONY: port
port:
	@if (exec 3<>/dev/tcp/127.0.0.1/$(PORT)) 2>/dev/null; then \
	  echo "Port $(PORT) is in use. Stop the process that listens there, or choose another:  make serve PORT=$$(($(PORT) + 1))"; exit 1; fi

JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: test
test: .venv/dev.stamp  ## run the whole test suite in JOBS processes (default: one per core)
	$(BIN)/pytest -n $(JOBS) --dist loadfile

.PHONY: test-fast
test-fast: .venv/dev.stamp  ## run the tests without servers and browsers
	$(BIN)/pytest -n $(JOBS) --dist loadfile -m "not slow"

# --- the model --------------------------------------------------------------------------------

$(MODEL): | .venv/train.stamp
	$(BIN)/python train.py

.PHONY: train
train: .venv/train.stamp  ## train on the best available data, evaluate with one seed, register
	$(BIN)/python train.py

.PHONY: evaluate
evaluate: .venv/train.stamp  ## train and evaluate with all five seeds, register, write docs/model-card.md
	$(BIN)/python train.py --seeds 5
	$(BIN)/python train.py card

.PHONY: refresh
refresh: .venv/train.stamp  ## update the registered model with newer outcomes, without a fit
	$(BIN)/python train.py refresh

.PHONY: experiments
experiments: .venv/experiments.stamp  ## run the missing experiments, write docs/experiments
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
image: .venv/dev.stamp $(MODEL)  ## build the container image IMAGE from BASE_IMAGE, including the model
	$(BIN)/python -m deploy.image.build

.PHONY: image-test
image-test: export IMAGE := $(IMAGE)
image-test: .venv/dev.stamp  ## check IMAGE: hadolint, container-structure-test, its contract
	$(BIN)/python -m deploy.image.check
	$(BIN)/pytest tests/container

.PHONY: coldstart
coldstart: export IMAGE := $(IMAGE)
coldstart: .venv/dev.stamp  ## measure the cold start of IMAGE and of a minimal BentoML service, write docs/coldstart.md
	$(BIN)/python -m load.scenarios.cold_start

# --- monitoring -------------------------------------------------------------------------------

.PHONY: monitor
monitor: .venv/train.stamp $(MODEL)  ## check the registered model on later flights, write reports/monitor.html
	OMP_NUM_THREADS=1 $(BIN)/python -m monitor

.PHONY: monitor-demo
monitor-demo: .venv/train.stamp  ## replay the monitoring of a year week by week, write docs/monitoring.md
	OMP_NUM_THREADS=1 $(BIN)/python -m monitor.study

.PHONY: score
score: .venv/train.stamp $(MODEL)  ## score a file of any size: INPUT=flights.csv.gz OUTPUT=scores.parquet
	$(BIN)/python -m score "$(INPUT)" -o "$(OUTPUT)" $(OPTIONS)

# --- load -------------------------------------------------------------------------------------

.PHONY: load
load: .venv/train.stamp $(MODEL)  ## run a load test with wrk, write docs/load.md
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.steady

.PHONY: load-peers
load-peers: .venv/train.stamp $(MODEL) $(UV)  ## the service beside its baselines, write docs/peers.md
	OMP_NUM_THREADS=1 UV=$(abspath $(UV)) $(BIN)/python -m load.baselines

.PHONY: load-overload
load-overload: .venv/train.stamp $(MODEL)  ## run a load test above capacity, write docs/overload.md
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.overload

.PHONY: soak
soak: .venv/train.stamp $(MODEL)  ## run a soak test: 30 minutes (MINUTES=) at 70 % of capacity, write docs/soak.md
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.soak --minutes $(or $(MINUTES),30) $(OPTIONS)

.PHONY: nightly
nightly: soak kills faults  ## what takes too long for each commit: soak, kills and faults at full size

.PHONY: load-users
load-users: .venv/dev.stamp $(MODEL)  ## simulate users with locust, write reports/users.html
	$(BIN)/python -m load.scenarios.users

.PHONY: load-bulk
load-bulk: .venv/train.stamp $(MODEL)  ## measure bulk scoring and the Booster alone, and score ten million flights
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.bulk_scoring

.PHONY: kills
kills: .venv/dev.stamp  ## kill bulk scoring at random times and count its rows (OPTIONS="-k cluster")
	KILLS_FULL=1 OMP_NUM_THREADS=1 $(BIN)/pytest -q --log-cli-level=INFO tests/score/test_killed.py $(OPTIONS)

.PHONY: profile
profile: .venv/dev.stamp $(MODEL)  ## profile a request, write docs/performance.md
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.profile

.PHONY: faults
faults: .venv/dev.stamp  ## run all fault injection tests at full size, write docs/faults.md
	rm -f reports/faults.json
	FAULTS_FULL=1 $(BIN)/pytest -q tests/faults
	$(BIN)/python -m load.reports.report

# --- the Python client ------------------------------------------------------------------------

.PHONY: client
client: .venv/dev.stamp  ## install the Python client and its command scl-delay into .venv
	$(UV) pip install --quiet --python $(BIN)/python --no-deps ./client

.PHONY: client-models
client-models: .venv/dev.stamp  ## generate the client's models from the service's contract
	$(BIN)/python -m client.generate

.PHONY: client-overhead
client-overhead: .venv/dev.stamp $(MODEL)  ## measure the client's overhead over plain httpx
	OMP_NUM_THREADS=1 $(BIN)/python -m load.scenarios.client_overhead

# --- documents --------------------------------------------------------------------------------

.PHONY: pictures
pictures: .venv/dev.stamp  ## take the README's screenshots of the page on PORT
	$(BIN)/python -m tests.page.pictures http://localhost:$(PORT)

# --- fuzzing ----------------------------------------------------------------------------------

.PHONY: fuzz
fuzz: .venv/dev.stamp  ## compare a million bodies with the oracle, 20,000 connections with plain uvicorn (INPUTS=, CONNECTIONS=, SEED=)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),1000000) --seed $(or $(SEED),1)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.raw_http --connections $(or $(CONNECTIONS),20000) --seed $(or $(SEED),1)

# --- bill of materials ------------------------------------------------------------------------

SERVED = $(shell sed -nE 's/^([a-z0-9._-]+)==.*/\1/p' requirements/serve.lock)

.PHONY: sbom
sbom: .venv/dev.stamp  ## list the served packages: reports/sbom.json (CycloneDX), reports/licences.md
	mkdir -p reports
	$(BIN)/cyclonedx-py requirements requirements/serve.lock --output-reproducible --pyproject pyproject.toml -o reports/sbom.json
	$(BIN)/pip-licenses --from mixed --format markdown --packages $(SERVED) > reports/licences.md

# --- code -------------------------------------------------------------------------------------

.PHONY: check
check: .venv/dev.stamp  ## check formatting, lint, strict types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	PYTHONPATH=client/src $(BIN)/lint-imports
	$(MAKE) deploy-check
	$(BIN)/bandit -q -ll -r data features model serving score monitor client/src service.py train.py
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --disable-plugin HexHighEntropyString \
	  --exclude-files '(\.lock$$|corpus/.*\.jsonl$$)' --exclude-lines 'noqa: S10|//[a-z]+:[a-z]+@'

.PHONY: format
format: .venv/dev.stamp  ## format the code and apply automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: $(UV)  ## rewrite the hash-pinned locks from pyproject.toml
	UV=$(UV) requirements/lock.sh
	UV=$(abspath $(UV)) load/baselines/requirements/lock.sh

.PHONY: clean
clean:  ## remove the environment and all caches, but not models and reports
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# --- deployment -------------------------------------------------------------------------------

.PHONY: deploy-check
deploy-check: .venv/dev.stamp  ## validate deploy/: YAML against Google's API documents, shell scripts
	$(BIN)/python -m deploy.validation
	$(BIN)/shellcheck -x $(shell find deploy -name '*.sh') deploy/fakes/bin/* deploy/fakes/docker-bin/*

.PHONY: pipeline-dry-run
pipeline-dry-run: .venv/dev.stamp $(MODEL)  ## run the pipeline twice without a cloud (FULL=1: with tests, training and image)
	$(BIN)/python -m deploy.dry_run

.PHONY: rollback
rollback: .venv/train.stamp  ## return to the previous release (PROJECT=, ENVIRONMENT=, optionally TO=revision)
	deploy/steps/rollback.sh

# --- environments -----------------------------------------------------------------------------

# uv is installed from the package index, pinned by hash
$(UV): requirements/uv.lock
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 is needed, but found $(or $(PYTHON),no python3). Install it, or set its path:  make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
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
