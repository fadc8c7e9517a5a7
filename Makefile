# `make` alone prints this help. Every target builds .venv first when it has to.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEERS  := $(VENV)-peers
UV     := uv==0.13.9

# ruff runs as a post hook of the generator, which looks it up on PATH and goes
# on unformatted when it is not there.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo token test chaos fuzz test-lowest check lint format types imports vendor generate check-generated diff bench peers fleet lock clean

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Build .venv from nothing but python3 (>= 3.11)

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "setle needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON, as in: make PYTHON=python3.12")'
	@echo "Building $(VENV), once; this takes about a minute"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## See it work: thousands of calls through roll-overs, a blip and a revocation
	@$(BIN)/python -m demo

token: $(READY) ## Ask the real service for a token; print lifetime and fingerprint
	@$(BIN)/python -m benchmarks.token

test: $(READY) ## Run the tests, with branch coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses 2 --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

chaos: $(READY) ## Kill, freeze and replace processes and the store for a quarter of an hour; print a table
	SETLE_CHAOS=long $(BIN)/python -m pytest tests/chaos tests/processes --capture=no

fuzz: $(READY) ## Make up answers, stored tokens, settings and pages for five minutes each
	$(BIN)/python -m tests.fuzz

test-lowest: ## Run them with the lowest versions that pyproject.toml allows
	rm -rf $(VENV)-lowest
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check $(UV)
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest --requirements requirements-dev.lock
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest --upgrade --resolution lowest-direct --editable '.[sandbox]'
	$(VENV)-lowest/bin/python -m pytest --ignore tests/pipeline

check: lint types imports check-generated ## Lint, format, types, imports, drift of generated/

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY) ## Rewrite the code as `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)
	$(BIN)/mypy
	$(BIN)/basedpyright --verifytypes setle --ignoreexternal
	$(BIN)/basedpyright --verifytypes setle_api --ignoreexternal

imports: $(READY)
	$(BIN)/lint-imports

vendor: $(READY) ## Fetch openapi.yaml anew; FROM= an index, page or file, by URL or path
	$(BIN)/python -m pipeline.vendor $(if $(FROM),--from '$(FROM)')

generate: $(READY) ## Rebuild generated/ and call all of it; EXPLAIN=1 tells every place a rule changed
	$(BIN)/python -m pipeline.generate $(if $(EXPLAIN),--explain)

check-generated: $(READY) ## Fail when generated/ is not what `make generate` would write
	$(BIN)/python -m pipeline.generate --check

diff: $(READY) ## Tell what openapi.yaml changes for users (OLD=path, or git's version; FORMAT=markdown)
	@$(BIN)/python -m pipeline.diff $(if $(OLD),--old '$(OLD)') --format $(or $(FORMAT),text)

bench: $(READY) ## Measure what a call pays, each against a target; takes five minutes
	$(BIN)/python -m benchmarks

peers: $(PEERS)/.ready ## Measure a token side by side with what authlib, openai, msal and others do
	@$(PEERS)/bin/python -m benchmarks.peers

# The peers are in nobody's way in an environment of their own.
$(PEERS)/.ready: requirements-peers.lock pyproject.toml
	@echo "Building $(PEERS), once; this takes about a minute"
	@rm -rf $(PEERS)
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-peers.lock
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

fleet: $(READY) ## Simulate 10 to 100,000 processes on one store
	$(BIN)/python -m benchmarks.fleet

COMPILE = $(VENV)-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: ## Pin the newest allowed versions, with hashes
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check $(UV)
	$(COMPILE) --all-extras --group dev pyproject.toml -o requirements-dev.lock
	$(COMPILE) --extra sandbox --group peers pyproject.toml -o requirements-peers.lock
	rm -rf $(VENV)-lock

clean: ## Remove everything `make` built
	rm -rf $(VENV) $(VENV)-lock $(VENV)-lowest $(PEERS) .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	find . -name __pycache__ -prune -exec rm -rf {} +
