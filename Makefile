# Every target does its own set-up; a second run is warm.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
HARNESS := $(VENV)/bin/harness
READY := $(VENV)/.ready
PROFILE ?= production
# What Python compiles is kept: each of a hundred processes would compile it again.
unexport PYTHONDONTWRITEBYTECODE
SCENARIO ?= steady
AUDIT ?= 20
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-strip-extras

.DEFAULT_GOAL := help
.PHONY: help setup prepare test lint report verify selftest load fuzz up down doctor releases bench clean lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) build/.packages ## virtual environment from the locked, hashed dependencies; Debian packages

$(READY): requirements/all.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/all.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@

build/.packages: deploy/packages.sh
	@mkdir -p build
	@deploy/packages.sh
	@touch $@

prepare: setup ## what deployments start from: images, built where they are missing
	$(HARNESS) prepare

# A machine that cannot do it ends the tests early, with the reasons.
test: setup lint prepare ## lint, types, import rules and the project's own tests, with their coverage
	@rm -f .coverage .coverage.*
	$(VENV)/bin/coverage run -m pytest --quiet --maxfail 10 -n 3 --dist worksteal
	$(VENV)/bin/coverage combine --quiet
	$(VENV)/bin/coverage report

lint: setup ## ruff, mypy (strict), import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

# What the audit finds is in the ledger, or beside it in build/selftest: the gate knows of it.
report: setup ## what is stale proven again, 20 proofs audited, all profiles verified, the reports, the gate
	$(HARNESS) selftest --audit $(AUDIT) || true
	$(HARNESS) verify --report

verify: setup ## all profiles verified (ARGS='-p production -c middleware.*')
	$(HARNESS) verify $(ARGS)

selftest: setup ## every defect planted, each must be caught; writes suites/proofs.lock (ARGS='-c middleware.cors.*')
	$(HARNESS) selftest $(ARGS)

load: setup ## planned load, held against the service levels (SCENARIO=steady PROFILE=production)
	$(HARNESS) load $(SCENARIO) --profile $(PROFILE) $(ARGS)

fuzz: setup ## what nobody would send, 60 s a profile (PROFILE=production ARGS='--seed 7')
	$(HARNESS) fuzz --profile $(PROFILE) $(ARGS)

up: setup ## a deployment to poke at (PROFILE=production)
	$(HARNESS) up $(PROFILE) $(ARGS)

down: setup ## remove what `make up` left
	$(HARNESS) down

doctor: setup ## what this machine can do
	$(HARNESS) doctor

releases: setup ## twenty releases in a row, good and bad, while writes go on; figures in the report
	$(HARNESS) verify -p production --policy bench/releases.toml -c process.rollback.recovery; \
	status=$$?; $(HARNESS) report latest; exit $$status

bench: setup ## the figures that are promised, as ratios of one run
	$(PY) -m bench

lock: ## resolve the dependencies anew (needs uv)
	$(LOCK) pyproject.toml --group server --group dev --group build --output-file requirements/all.txt
	$(LOCK) --group server --constraints requirements/all.txt --output-file requirements/server.txt

clean: ## remove what was generated, and what `make up` left
	@[ ! -x $(HARNESS) ] || $(HARNESS) down
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
