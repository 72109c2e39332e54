# Everything a person does with this checkout. `make help` lists it.
# CRM_HOME, CRM_HOST and CRM_PORT are read by `make run` as by every other command.

VENV ?= .venv
# One more than the cores of a small machine: the longest tests mostly wait for processes.
JOBS ?= 3
ARGS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The first of these that is there and new enough makes the virtual environment.
PYTHONS := $(PYTHON) python3 python3.11 python3.12 python3.13 python3.14
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
CODE := crm workers migrations tests benchmarks hatch_build.py wsgi.py

# Images of containers often forbid it; then each of the many processes of a run compiles a thousand files anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run install assets i18n test test-all check fix bench bench-outreach faults clean

help: ## Show this list.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: assets ## Start everything with a demo workspace; prints the address and the sign-in.
	@$(BIN)/crm up --demo $(ARGS)

install: $(INSTALLED) ## Make the virtual environment and install everything into it.

assets: $(INSTALLED) ## Build what the browser loads and the translations, where something changed.
	@$(BIN)/python hatch_build.py

test: assets ## Run the tests, but for the long ones and for what `make check` runs.
	@$(BIN)/pytest -n $(JOBS) --dist worksteal -m "not long" --ignore tests/architecture $(ARGS)

test-all: assets ## Run all tests.
	@$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

check: assets ## Check format, lint, imports, types, templates, conventions and query plans.
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/lint-imports
	@$(BIN)/pyright
	@$(BIN)/djlint --lint --quiet templates
	@$(BIN)/pytest -q -n 0 tests/architecture

i18n: $(INSTALLED) ## Bring the Italian catalogues in line with the sources.
	@$(BIN)/python tests/architecture/catalogues.py

fix: $(INSTALLED) ## Format, and mend what the linter can mend.
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

bench: assets ## Measure the claims of docs/benchmarks.md; ARGS chooses some.
	@$(BIN)/python -m benchmarks $(ARGS)

bench-outreach: assets ## Measure sending alone: its rate, its growth and how late it is.
	@$(BIN)/python -m benchmarks outreach outreach-growth outreach-latency $(ARGS)

faults: assets ## Kill real processes at the worst moments, 300 times, and count; ARGS as for `crm chaos`.
	@CRM_TEST_SWITCH=1 $(BIN)/crm chaos --runs 300 --seed 20261123 --lanes 3 --shipped $(ARGS)

clean: ## Remove what was built and installed; the data in instance/ stays.
	@rm -rf $(VENV) build dist crm/static/dist frontend/node_modules .pytest_cache .ruff_cache .hypothesis \
	  .import_linter_cache htmlcov .coverage*
	@find crm workers migrations tests translations benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	@find translations -name '*.mo' -delete 2>/dev/null || true

$(INSTALLED): pyproject.toml constraints.txt hatch_build.py
	@set -e; \
	if [ ! -x $(BIN)/python ]; then \
	  for python in $(PYTHONS); do \
	    if "$$python" -c '$(NEW_ENOUGH)' 2>/dev/null; then found="$$python"; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then echo "Python 3.11 or newer is needed (PYTHON=... names one)." >&2; exit 1; fi; \
	  echo "Making $(VENV) with $$found"; \
	  "$$found" -m venv $(VENV) || { echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
	fi
	@echo "Installing (a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
