# `make` alone prints this help. Every target builds .venv first when it has to.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEERS  := $(VENV)-peers
UV     := $(VENV)-uv/bin/uv

# ruff runs as a post hook of the generator, which looks it up on PATH and goes
# on unformatted when it is not there.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo token test chaos soak faults fuzz races test-free-threaded mutants test-lowest test-wheel check lint format types imports docs vendor generate check-generated diff bench load peers proof fleet build licenses release lock clean

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

# Four, as much of the time of two is waiting.
test: $(READY) ## Run the tests, with branch coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses 4 --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

chaos: $(READY) ## Kill, freeze and replace processes and the store for a quarter of an hour; print a table
	SETLE_CHAOS=long $(BIN)/python -m pytest tests/chaos tests/processes --capture=no

soak: $(READY) ## Let everything go wrong at random for ten minutes, into docs/soak.md; SECONDS=, SEED=
	$(BIN)/python -m tests.soak --write docs/soak.md $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

faults: $(READY) ## Put in everything that can go wrong; write what came of it into docs/faults.md
	$(BIN)/python -m pytest -m fault --write-faults --numprocesses 3 --dist worksteal

fuzz: $(READY) ## Make up answers, stored tokens, settings and pages for five minutes each
	$(BIN)/python -m tests.fuzz

# What threads and tasks do. In programs that a test starts, threads change places as usual: what only
# starts programs, or stops them, is left out.
RACES ?= $(patsubst %,tests/concurrency/test_%.py,callables fork hanging interrupts last_look reentry tasks threads)
RUN_RACES = -m pytest --quiet -p tests.races --dist each --tx '5*popen' --timeout 600 --page $(RACES) \
	$(if $(SECONDS),--seconds $(SECONDS)) $(if $(MINUTES),--minutes $(MINUTES))

races: $(READY) ## Run what threads do 500 times over, changing places each microsecond; half an hour, or SECONDS= per test, MINUTES= in all
	$(BIN)/python $(RUN_RACES)

mutants: $(READY) ## Change the core in 3,000 places, one at a time, and see whether the tests notice; takes an hour
	$(BIN)/python -m tests.mutants --write docs/mutants.md

# Shared by what installs in environments of its own. It fetches no Python by itself.
export UV_PYTHON_DOWNLOADS := never
$(UV):
	@$(PYTHON) -m venv $(VENV)-uv
	@$(VENV)-uv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9

WRAPPER_TESTS = -m pytest --numprocesses 2 --dist loadfile --ignore tests/pipeline --ignore tests/release

test-lowest: $(UV) ## Run the wrapper's tests with the lowest versions that pyproject.toml allows
	rm -rf $(VENV)-lowest
	$(UV) venv --quiet --python $(PYTHON) $(VENV)-lowest
	$(UV) pip install --quiet --python $(VENV)-lowest --requirements requirements-dev.lock
	$(UV) pip install --quiet --python $(VENV)-lowest --upgrade --resolution lowest-direct --editable '.[cli,redis,sandbox]'
	# The recipes are about the newest versions of others, some of which take no such low ones.
	$(VENV)-lowest/bin/python $(WRAPPER_TESTS) --ignore tests/recipes

test-free-threaded: $(UV) ## Run the wrapper's tests, then races, without a GIL: PYTHON=python3.14t
	@$(PYTHON) -c 'import sys, sysconfig; sys.exit(not sysconfig.get_config_var("Py_GIL_DISABLED") and "Python " + sys.version.split()[0] + " has a GIL; set PYTHON to one without, as in: make test-free-threaded PYTHON=python3.14t")'
	rm -rf $(VENV)-free
	$(UV) venv --quiet --python $(PYTHON) $(VENV)-free
	@# There is no atheris without a GIL.
	printf 'atheris\n' > $(VENV)-free/left-out
	$(UV) pip install --quiet --python $(VENV)-free --excludes $(VENV)-free/left-out --requirements requirements-dev.lock
	$(UV) pip install --quiet --python $(VENV)-free --no-deps --no-build-isolation --editable .
	PYTHON_GIL=0 $(VENV)-free/bin/python $(WRAPPER_TESTS)
	PYTHON_GIL=0 $(VENV)-free/bin/python $(RUN_RACES)

test-wheel: build $(UV) ## Run them against the wheel, on each Python there is (on one: make test-wheel-3.12)
	@for version in 3.11 3.12 3.13 3.14; do \
	  if $(UV) python find $$version >/dev/null 2>&1; then $(MAKE) test-wheel-$$version || exit 1; \
	  else echo "There is no Python $$version here: not tested"; fi; \
	done

# In an environment that is new, first without extras and then with what the tests need.
test-wheel-%: $(UV)
	rm -rf $(VENV)-wheel-$*
	$(UV) venv --quiet --python $* $(VENV)-wheel-$*
	$(UV) pip install --quiet --python $(VENV)-wheel-$* dist/*.whl
	$(VENV)-wheel-$*/bin/python -I -W error release/installed.py click redis starlette uvicorn pytest
	$(UV) pip install --quiet --python $(VENV)-wheel-$* --requirements requirements-dev.lock
	$(VENV)-wheel-$*/bin/python -I -W error release/installed.py
	$(VENV)-wheel-$*/bin/python $(WRAPPER_TESTS)

check: lint types imports check-generated docs ## Lint, format, types, imports, workflows, documentation, drift of what is generated

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/zizmor --offline --quiet --persona=regular .github
	$(BIN)/python -m release.licenses --check

format: $(READY) ## Rewrite the code as `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)
	$(BIN)/mypy
	$(BIN)/basedpyright --verifytypes setle --ignoreexternal
	$(BIN)/basedpyright --verifytypes setle_api --ignoreexternal

imports: $(READY)
	$(BIN)/lint-imports

docs: $(READY) ## Build the documentation into site/, strictly, with nothing from elsewhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "site/ is built; look at it by: python3 -m http.server --directory site"

vendor: $(READY) ## Fetch openapi.yaml anew; FROM= an index, page or file, by URL or path
	$(BIN)/python -m pipeline.vendor $(if $(FROM),--from '$(FROM)')

generate: $(READY) ## Rebuild generated/ and call all of it; EXPLAIN=1 tells every place a rule changed
	$(BIN)/python -m pipeline.generate $(if $(EXPLAIN),--explain)

check-generated: $(READY) ## Fail when generated/ is not what `make generate` would write
	$(BIN)/python -m pipeline.generate --check

diff: $(READY) ## Tell what openapi.yaml changes for users (OLD=path, or git's version; FORMAT=markdown)
	@$(BIN)/python -m pipeline.diff $(if $(OLD),--old '$(OLD)') --format $(or $(FORMAT),text)

bench: $(READY) ## Measure what a call pays, each against a target, into docs/bench.md; takes six minutes; QUICK=1 only shows
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick,--write docs/bench.md)

peers: $(PEERS)/.ready ## Measure side by side with authlib, openai, msal and others into docs/peers.md; QUICK=1 only shows
	@$(PEERS)/bin/python -m benchmarks.peers $(if $(QUICK),--quick,--write docs/peers.md)

# The peers are in nobody's way in an environment of their own.
$(PEERS)/.ready: requirements-peers.lock pyproject.toml
	@echo "Building $(PEERS), once; this takes about a minute"
	@rm -rf $(PEERS)
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-peers.lock
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

load: $(READY) ## Plot what a call costs as there is more of everything, into docs/load.md; takes six minutes; QUICK=1 only shows
	@$(BIN)/python -m benchmarks.load $(if $(QUICK),--quick,--write docs/load.md)

# One after another, as each wants the machine for itself. It ends at the first that fails.
proof: $(READY) ## Run bench, load, peers, faults and soak, which write docs/, on a quiet machine; takes 40 minutes (mutants, races and fuzz take an hour each, and are not in it)
	@for target in bench load peers faults soak; do $(MAKE) --no-print-directory $$target QUICK= || exit 1; done

fleet: $(READY) ## Simulate 10 to 100,000 processes on one store
	$(BIN)/python -m benchmarks.fleet

AGAIN := $(VENV)-again

# Once from here, where the wheel is made of the sdist, and once from nothing but what git knows,
# in another folder and under another umask.
build: export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)
build: $(READY) ## Build sdist and wheel in dist/, twice, compare them byte by byte, and check them
	rm -rf dist $(AGAIN)
	$(BIN)/python -m build --no-isolation --outdir dist
	@mkdir $(AGAIN)
	umask 077; git ls-files -z | tar -c --null -T - | tar -x --no-same-permissions -C $(AGAIN)
	umask 077; $(BIN)/python -m build --no-isolation --sdist --wheel --outdir $(AGAIN)/dist $(AGAIN)
	for file in dist/*; do cmp $$file $(AGAIN)/$$file || exit 1; done
	@rm -rf $(AGAIN)
	$(BIN)/check-wheel-contents dist/*.whl
	$(BIN)/twine check --strict dist/*

licenses: $(READY) ## Rewrite docs/licenses.md, the licences of what users install
	$(BIN)/python -m release.licenses

release: $(READY) ## Check, commit and tag VERSION=1.2.3; says what stands against it, and how to publish
	@$(BIN)/python -m release '$(VERSION)'

COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: $(UV) ## Pin the newest allowed versions, with hashes
	$(COMPILE) --all-extras --group dev pyproject.toml -o requirements-dev.lock
	$(COMPILE) --extra sandbox --group peers pyproject.toml -o requirements-peers.lock

clean: ## Remove everything `make` built
	rm -rf $(VENV) $(VENV)-* .coverage* .hypothesis .mutants .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist site
	find . -name __pycache__ -prune -exec rm -rf {} +
