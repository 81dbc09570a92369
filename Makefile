# `make` alone lists what there is.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The Python that makes the environment, 3.11 or newer: make run PYTHON=python3.12
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/installed

# Its scripts name the folder it was made in: where that has moved, it is made again.
ifneq ($(shell cat $(VENV)/installed 2>/dev/null),$(CURDIR))
.PHONY: $(INSTALLED)
endif

.PHONY: help
help: ## list what make can do
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: run
run: $(INSTALLED) ## start everything on this machine; PORT=8001 make run: on another port
	@exec $(VENV)/bin/python -m loginwatch.demo

.PHONY: install
install: $(INSTALLED) ## make the environment in .venv, or bring it up to date

.PHONY: reset
reset: $(INSTALLED) ## forget everything the demo keeps (var/), unless it runs
	@$(VENV)/bin/python -m loginwatch.demo.reset

.PHONY: clean
clean: ## remove .venv and caches; var/ stays
	rm -rf $(VENV) $(VENV)-bench staticfiles .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): export CHECKOUT = $(CURDIR)
$(INSTALLED): requirements.txt requirements-dev.txt
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "loginwatch: there is no $(PYTHON): install Python 3.11 or newer, or name one: make run PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "loginwatch: $(PYTHON) is $$("$(PYTHON)" -V 2>&1 | head -n 1), and Python 3.11 or newer is needed: make run PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "loginwatch: $(PYTHON) has no venv module: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) (once; it takes a minute or two) …"
	@test "$$(cat $@ 2>/dev/null)" = "$$CHECKOUT" && $(VENV)/bin/python -m pip --version >/dev/null 2>&1 \
		|| "$(PYTHON)" -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@printf '%s' "$$CHECKOUT" > $@

.PHONY: test
test: lint ## lint, types, import contracts, all tests on SQLite and PostgreSQL, the browser
	@$(VENV)/bin/python -m tests.legs

.PHONY: lint
lint: $(INSTALLED) ## lint, format, types, import contracts, migrations
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	@DJANGO_SETTINGS_MODULE=tests.settings $(VENV)/bin/python manage.py makemigrations --check --dry-run

.PHONY: format
format: $(INSTALLED) ## format the code and sort its imports
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

.PHONY: bench
bench: bench-throughput bench-sign-ins ## how fast it is, alone and against peers, into docs/performance.md

.PHONY: bench-throughput
bench-throughput: $(VENV)-bench/installed ## workflows a second, against other task queues
	@$(VENV)-bench/bin/python -m benchmarks.throughput --write $(BENCH)

.PHONY: bench-sign-ins
bench-sign-ins: $(INSTALLED) ## a sign-in, its verdict, memory and idleness
	@$(VENV)/bin/python -m benchmarks.sign_ins $(BENCH)

.PHONY: bench-growth
bench-growth: $(INSTALLED) ## what everything costs with 10 million sign-ins, into docs/scale.md; SIGN_INS=1000000: with fewer
	@$(VENV)/bin/python -m benchmarks.growth --sign-ins $(or $(SIGN_INS),10000000)

.PHONY: bench-bulk
bench-bulk: $(INSTALLED) ## bulk jobs over a million rows, and sign-ins meanwhile, into docs/scale.md; ROWS=10000: with fewer
	@$(VENV)/bin/python -m benchmarks.bulk --rows $(or $(ROWS),1000000)

$(VENV)-bench/installed: requirements.txt requirements-dev.txt requirements-bench.txt
	@"$(PYTHON)" -m venv --clear $(VENV)-bench
	@$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@

.PHONY: bench-ledger
bench-ledger: $(INSTALLED) ## what a ledger costs, by the way it is kept, into docs/performance.md
	@$(VENV)/bin/python -m benchmarks.ledger

.PHONY: bench-backlog
bench-backlog: $(INSTALLED) ## 20,000 runs that wait ten minutes for a worker, into docs/performance.md
	@$(VENV)/bin/python -m benchmarks.backlog

.PHONY: bench-pages
bench-pages: $(INSTALLED) ## what 100 open pages cost the server, into docs/performance.md
	@$(VENV)/bin/python -m benchmarks.pages

.PHONY: chaos
chaos: $(INSTALLED) ## 1,000 sign-ins while everything is killed in turn: what is lost; CHAOS=--plain: without the ledger
	@$(VENV)/bin/python manage.py chaos --sign-ins 1000 --seed 7 --database postgresql $(CHAOS)

.PHONY: screenshot
screenshot: $(INSTALLED) ## take the README's picture anew
	@$(VENV)/bin/python -m tests.browser.screenshots

.PHONY: compose-test
compose-test: $(INSTALLED) ## sign in through the site that docker compose has up, and see its run succeed
	@$(VENV)/bin/python tests/deployment/compose_sign_in.py
