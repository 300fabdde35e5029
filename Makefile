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
CODE := data features model serving tests load service.py train.py

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- the two commands -------------------------------------------------------------------------

.PHONY: serve
serve: .venv/train.stamp $(MODEL)  ## train and register a model if there is none, then serve it
	@printf '\n  Open http://localhost:%s   (stop with Ctrl-C)\n\n' "$(PORT)"
	@printf '  Try:  curl -s localhost:%s/predict_delay -H "content-type: application/json" -d @tests/request.json\n\n' "$(PORT)"
	exec $(BIN)/bentoml serve --port "$(PORT)"

.PHONY: test
test: .venv/dev.stamp  ## run the whole test suite
	$(BIN)/pytest

# --- the model --------------------------------------------------------------------------------

$(MODEL): | .venv/train.stamp
	$(BIN)/python train.py

.PHONY: train
train: .venv/train.stamp  ## train on the best data at hand, evaluate with one seed, register
	$(BIN)/python train.py

.PHONY: evaluate
evaluate: .venv/train.stamp  ## train and evaluate with all five seeds, register
	$(BIN)/python train.py --seeds 5

.PHONY: experiments
experiments: .venv/experiments.stamp  ## run the attempts that are not there yet, write docs/experiments
	OMP_NUM_THREADS=1 $(BIN)/python train.py experiments

.PHONY: bento
bento: .venv/train.stamp $(MODEL)  ## build the bento flight_delay_service
	$(BIN)/bentoml build

# --- load -------------------------------------------------------------------------------------

.PHONY: load
load: .venv/train.stamp $(MODEL)  ## put the service under load with wrk, write docs/load.md
	OMP_NUM_THREADS=1 $(BIN)/python -m load.run

.PHONY: load-peers
load-peers: .venv/train.stamp $(MODEL) $(UV)  ## the service beside its peers, write docs/peers.md
	OMP_NUM_THREADS=1 UV=$(abspath $(UV)) $(BIN)/python -m load.peers

.PHONY: load-users
load-users: .venv/dev.stamp $(MODEL)  ## realistic users (locust), write reports/users.html
	$(BIN)/python -m load.users

.PHONY: profile
profile: .venv/dev.stamp $(MODEL)  ## where a request's time goes, write docs/performance.md
	OMP_NUM_THREADS=1 $(BIN)/python -m load.profiling

# --- the code ---------------------------------------------------------------------------------

.PHONY: check
check: .venv/dev.stamp  ## formatting, lint, strict types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

.PHONY: format
format: .venv/dev.stamp  ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: $(UV)  ## rewrite the hash-pinned locks from pyproject.toml
	UV=$(UV) requirements/lock.sh
	UV=$(abspath $(UV)) load/peers/requirements/lock.sh

.PHONY: clean
clean:  ## remove the environment and all caches, keep models and reports
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# --- environments -----------------------------------------------------------------------------

# uv comes from the package index, pinned by hash, where it is not there already
$(UV): requirements/uv.lock
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is needed: install Python 3.11, or name it with PYTHON=..."; exit 1; }
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
