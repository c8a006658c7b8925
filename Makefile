# Two commands set up a bare machine that has make and Python 3.11 or 3.12: `make run` and `make test`.
SHELL := /bin/sh
BIN := .venv/bin
LOCK := requirements.lock
SOURCE ?= simulated
PORT ?= 3000
WORKERS ?= 1
SUPPORTED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
PYTHON ?= $(shell for python in python3.11 python3.12 python3 python; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)

export COUPON_SOURCE ?= $(SOURCE)
export OMP_WAIT_POLICY ?= PASSIVE
export DAGSTER_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_ALLOW_PICKLE_DESERIALIZATION := false
export MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR := false
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false
export BENTOML_DO_NOT_TRACK := True
export DO_NOT_TRACK := true

.PHONY: help run test dev serve erase evaluate simulate advance calibrate bench prove check contracts docs quarantine reconcile audit format lock

help: ## Print these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/ready ## Set up, then the whole pipeline: land, validate, train, decide, publish (FORCE=1 redoes what is fresh)
	@$(BIN)/python -m coupon_pipeline run $(if $(FORCE),--force)

test: .venv/ready ## Run the tests
	@$(BIN)/python -m pytest

# template:start
.PHONY: test-template
test-template: .venv/ready ## Bake this repository as a template under another name and check the bake
	@$(BIN)/python -m pytest -p no:cacheprovider tests/test_template.py --template
# template:end

dev: .venv/ready ## Dagster on port 3001, MLflow on 5000 and the simulated chain's CRM on 8090
	@$(BIN)/python -m coupon_pipeline dev

serve: .venv/ready ## The service on port 3000 (PORT=n; WORKERS=n processes)
	@$(BIN)/python -m coupon_pipeline serve --port $(PORT) --workers $(WORKERS)

erase: .venv/ready ## Erase a household (HOUSEHOLD=7): no reader sees it, the next run removes it everywhere
	@$(BIN)/python -m coupon_pipeline erase "$(HOUSEHOLD)"

evaluate: .venv/ready ## Fit and score one campaign (CAMPAIGN=n, SCORES=file)
	@$(BIN)/python -m coupon_pipeline evaluate $(if $(CAMPAIGN),--campaign $(CAMPAIGN)) $(if $(SCORES),--scores $(SCORES))

simulate: .venv/ready ## Make the history of the simulated chain (make run does it where it is missing)
	@$(BIN)/python -m coupon_pipeline simulate

advance: .venv/ready ## Issue the last cycle's coupons and let the simulated chain live one more week
	@$(BIN)/python -m coupon_pipeline simulate --advance

calibrate: .venv/ready ## Compare the simulated chain with the real households of Complete Journey
	@$(BIN)/python -m coupon_pipeline simulate --report

bench: .venv/ready ## Speed and memory against their bars (SHORT=1: a small chain; FULL=1: a ledger of 10 M coupons too)
	@$(BIN)/python -m benchmarks $(if $(SHORT),--short,$(if $(FULL),--full))

prove: .venv/ready ## The long proofs: moments, truth, kills, mutations, dirt (SHORT=1: a short form of each)
	@$(BIN)/python -m tests.proofs $(if $(SHORT),--short)

check: .venv/ready ## Format, lint, import layers, types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports && $(BIN)/ty check

contracts: .venv/ready ## Refuse a contract that changes or breaks without the version that says so
	@$(BIN)/python -m coupon_pipeline contracts check

quarantine: .venv/ready ## The rows that wait, and why (TABLE= RULE= WEEK= LIMIT=; REPLAY=1 lets in what passes by now)
	@$(BIN)/python -m coupon_pipeline quarantine $(if $(TABLE),--table $(TABLE)) $(if $(RULE),--rule $(RULE)) \
		$(if $(WEEK),--week $(WEEK)) $(if $(LIMIT),--limit $(LIMIT)) $(if $(REPLAY),--replay)

reconcile: .venv/ready ## A day's redemptions against tills, export and bills (DAY=2026-01-07, STRICT=1)
	@$(BIN)/python -m coupon_pipeline reconcile --day "$(DAY)" $(if $(STRICT),--strict)

audit: .venv/ready ## Whether the books of the ledger close
	@$(BIN)/python -m coupon_pipeline audit

docs: .venv/ready ## Write docs/contracts: a page per contract
	@$(BIN)/python -m coupon_pipeline docs

format: .venv/ready ## Format and sort imports in place
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

lock: .venv/ready ## Refresh requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --upgrade \
		--quiet --custom-compile-command "make lock" --output-file $(LOCK)

# If no fitting Python is found, uv may bring one; else one line says what to install.
.venv/ready: $(LOCK)
	@echo "Setting up .venv from $(LOCK): about a minute, once."
	@if [ -n "$(PYTHON)" ]; then $(PYTHON) -m venv --clear .venv; \
	elif command -v uv >/dev/null; then uv venv --quiet --clear --seed --python 3.11 .venv; \
	else echo "Python 3.11 or 3.12 with its venv module is needed (Debian: apt install python3-venv), or uv." >&2; exit 2; fi
	@sed -n '/^uv==/,/# via/p' $(LOCK) | $(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement /dev/stdin
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --compile-bytecode --require-hashes $(LOCK)
	@touch $@
