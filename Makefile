# Every target sets up what it needs; `make VENV=dir test` uses another environment.

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
INSTALLED := $(VENV)/.installed
BIN := $(VENV)/bin
WORKERS := -n auto --maxprocesses 4
SIDE_BY_SIDE := $(WORKERS) --dist worksteal
BESIDE_RAY := $(WORKERS) --dist loadgroup
RAY_PART := (ray or slow) and not gpu and not network

unexport PYTHONDONTWRITEBYTECODE # each of a hundred processes would compile our modules anew

.DEFAULT_GOAL := help
.PHONY: help venv test test-fast cluster-test stress audit demo evaluate bench lint figures page clean infra sbom

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(INSTALLED) ## create the virtual environment with the pinned dependencies

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No python3.11 or python3 on the PATH. Install Python 3.11, or set PYTHON=path."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

test: $(INSTALLED) ## all tests: first those without Ray, then those with it
	@fast=0; started=$$(date +%s); \
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) || fast=$$?; \
	middle=$$(date +%s); ray=0; \
	$(BIN)/python -m pytest -q $(BESIDE_RAY) -m '$(RAY_PART)' --marked ray,slow -W ignore::pytest.PytestUnraisableExceptionWarning || ray=$$?; \
	ended=$$(date +%s); \
	verdict() { if [ $$1 -eq 0 ]; then echo passed; else echo "FAILED (pytest exit $$1)"; fi; }; \
	echo; \
	echo "without Ray  $$((middle - started)) s  $$(verdict $$fast)"; \
	echo "with Ray     $$((ended - middle)) s  $$(verdict $$ray)"; \
	test $$fast -eq 0 && test $$ray -eq 0

test-fast: $(INSTALLED) ## the tests without Ray
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE)

infra: $(INSTALLED) ## hold image, manifests, clusters and dashboards to their schemas; a part of test
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) tests/infra

sbom: $(INSTALLED) ## list what is installed as CycloneDX, in build/sbom.json
	test -x build/sbom/bin/cyclonedx-py || { $(PYTHON) -m venv build/sbom && build/sbom/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0; }
	build/sbom/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json
	@echo "build/sbom.json"

cluster-test: $(INSTALLED) ## lose nodes, drivers, replicas, a head, a store: 15 minutes
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m cluster --marked cluster --keep-faults --durations=30 --durations-min=10 -W ignore::pytest.PytestUnraisableExceptionWarning

stress: $(INSTALLED) ## the service under three minutes of load, faults and adapter changes: eight minutes
	$(BIN)/python -m tests.stress

audit: $(INSTALLED) ## do the pins fit together, and is any of them named in an advisory? The second asks PyPI
	$(BIN)/python -m pip check
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[audit]'
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

demo: $(INSTALLED) ## simulate, build, search, train, evaluate and serve, in one run folder
	$(BIN)/somnolens demo

evaluate: $(INSTALLED) ## hold the adapter of the newest demo against its peers, spoilt recordings too: 15 minutes
	$(BIN)/python jobs/compare_systems.py

bench: $(INSTALLED) ## measure everything into .bench/results.jsonl and print the table
	$(BIN)/python -m tests.benchmarks

lint: $(INSTALLED) ## style, formatting and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

figures: $(INSTALLED) ## write the README's tables from .bench/results.jsonl and the newest comparison
	$(BIN)/python -m tests.benchmarks --write-readme
	test ! -d .evaluate || $(BIN)/python jobs/compare_systems.py --write-readme README.md

page: ## fetch what the service's page takes from npm, as its lock file says
	cd serve/page && npm ci --ignore-scripts --no-audit --no-fund
	cp serve/page/node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2 serve/page/inter.woff2
	cp serve/page/node_modules/@fontsource-variable/inter/LICENSE serve/page/inter-license.txt
	rm -r serve/page/node_modules

clean: ## remove caches and build outputs; keep runs and the virtual environment
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
