.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

.PHONY: help setup demo shift up test bench chaos mutants check format lock clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup:  ## Install everything into .venv (the other targets do it by themselves)
	@python3 deploy/local/setup.py

demo: setup  ## Send 40,216 real requests through the whole pipeline and print the invoices
	@$(PYTHON) -m examples.demo

shift: setup  ## From seats to usage: plans over three real traces scaled to a year, with a report
	@$(PYTHON) -m examples.shift

up: setup  ## Start the stack and the services, print their addresses, run until Ctrl-C
	@$(PYTHON) -m deploy.local up

test: setup check  ## Everything: check, then integration, contract and end-to-end tests
	@$(PYTHON) -m pytest -q -n 2 -m slow sdk/python/tests
	@$(PYTHON) -m deploy.local exec --fresh --root var/test-stack -- \
		$(PYTHON) -m pytest -q -n 2 --dist loadfile tests/integration tests/contract tests/e2e tests/docs tests/chaos

bench: setup  ## Measure speed and memory on a fresh stack; REPEATS=3, PARTS="ingest worker …"
	@$(PYTHON) -m tests.bench $(PARTS)

check: setup  ## Lint, types, import contracts, house style and unit tests; no server, under a minute
	@$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports --no-logo
	@$(PYTHON) -m pytest -q -n 2 -m "not slow" tests/style tests/unit sdk/python/tests

chaos: setup  ## Faults under load, counted against a ledger: SEED=1 DURATION=60 WORKERS=2 VARIANT=naive
	@SEED=$(SEED) DURATION=$(DURATION) WORKERS=$(WORKERS) VARIANT=$(VARIANT) $(PYTHON) -m tests.chaos

mutants: setup  ## Change pricing's domain bit by bit and see what no test notices: PATHS="tiers.py charges"
	@$(PYTHON) -m tests.mutants $(PATHS)

format: setup  ## Format the code and apply the safe fixes
	@$(PYTHON) -m ruff format . && $(PYTHON) -m ruff check --fix .

lock: setup  ## Resolve requirements.lock anew (versions and hashes, no addresses)
	@$(PYTHON) -m uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-emit-index-url --no-annotate --exclude-newer "1 week" --custom-compile-command "make lock" \
		--group stack --group dev pyproject.toml sdk/python/pyproject.toml -o requirements.lock

clean:  ## Remove what the targets made under var/
	@rm -rf var
