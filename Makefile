# Every goal installs what it needs: git, make and python3.11+ are enough.
# The package index is whatever pip and uv are set up to use on this machine.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Compiled modules halve the start of every process, of which the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

SOAK_MINUTES ?= 10

.PHONY: help demo test test-systemd soak screenshots check format lock install wheel clean

help:
	@echo "make demo    a sandbox Strava, a database and the daemon: watch activities become load"
	@echo "make test    the whole test suite"
	@echo "make test-systemd  the installation on a real systemd, in a container; root, and minutes at its first run"
	@echo "make soak    simulated months of quota, new ones for SOAK_MINUTES=10; stops at the first bad one"
	@echo "make screenshots   the pictures in docs/, from a year and a half at the sandbox; needs Chromium"
	@echo "make check   ruff, mypy --strict, import-linter, every query prepared"
	@echo "make format  let ruff format the code"
	@echo "make wheel   an installable wheel in dist/, and what it depends on as an SBOM (CycloneDX)"
	@echo "make lock    pin the newest allowed versions again"
	@echo "make install on a server, as root in /opt/domestique: units, settings, secrets (docs/install.md)"

demo: $(READY)
	@$(BIN)/python -m daemon demo

# More workers than the smallest machine has cores, and idle ones help out: most tests wait for other processes.
test: $(READY)
	$(BIN)/python -m pytest -n 5 --dist worksteal

# Python's own library is enough outside of the container.
test-systemd:
	@$(PYTHON) -m tests.systemd.container

soak: $(READY)
	@$(BIN)/python -m tests.simulation.quota_month --soak-minutes $(SOAK_MINUTES)

screenshots: $(READY)
	@$(BIN)/python -m tests.browser.screenshots

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/store/test_queries.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/.installed
	@sh systemd/install

# pip only fetches the pinned uv; uv then installs the rest in a second.
# Debian's python3 may come without ensurepip, so the venv is made without pip and the pip outside fills it.
define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Domestique needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { echo "$(PYTHON) has neither pip nor ensurepip. On Debian: apt install python3-venv" >&2; exit 1; }
	@if $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	  $(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements/uv.txt; \
	else \
	  $(PYTHON) -m venv --clear $(VENV) && \
	  $(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt; \
	fi
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes $(1) requirements/uv.txt
	@touch $@
endef

$(READY): requirements/uv.txt requirements/dev.txt
	$(call environment,requirements/dev.txt)

# A server needs nothing of what only development does. Its service may not write here, so all is compiled now.
$(VENV)/.installed: requirements/uv.txt requirements/run.txt
	$(call environment,--compile-bytecode requirements/run.txt)

# Built with what the lock pins, not with what a build would fetch; then installed beside nothing but what runs, where
# it says its version and what it consists of.
wheel: $(READY)
	@rm -rf dist
	@$(BIN)/python -m hatchling build -t wheel
	@$(BIN)/uv venv --quiet --python $(BIN)/python dist/trial
	@$(BIN)/uv pip sync --quiet --python dist/trial/bin/python --require-hashes requirements/run.txt
	@$(BIN)/uv pip install --quiet --python dist/trial/bin/python --no-deps --no-index dist/*.whl
	@dist/trial/bin/domestique --version
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o dist/sbom.cdx.json \
	  dist/trial/bin/python
	@rm -rf dist/trial
	@ls dist

# No header and no index address ever reaches a lock.
lock: $(READY)
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
	  --python-version 3.11 pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
	  --python-version 3.11 --group dev pyproject.toml -o requirements/dev.txt

clean:
	rm -rf $(VENV) dist var/test-systemd .mypy_cache .ruff_cache .import_linter_cache .hypothesis
