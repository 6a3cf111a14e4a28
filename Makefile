# Everything a newcomer needs: `make run` and `make test`. Both build the environment they need first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check format bench flat cost profile kernel-bench sandbox-bench mutants storm simulate torture lock clean

run: $(VENV)/.core
	@env NFLOW_FILES_TRIGGERS=examples/triggers $(BIN)/nflow serve -c config.toml -a examples

test: $(VENV)/.servers
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## requests/s against a bare aiohttp route, in turns (installs wrk with apt-get when it is missing)
	$(BIN)/python -m loadtests.run

flat: $(VENV)/.dev  ## CPU per request with 3 and 300 flows, and beside 50 000 idle actors
	$(BIN)/python -m loadtests.flat

cost: $(VENV)/.dev  ## what features cost the trivial flow: with and without each, in turns
	$(BIN)/python -m loadtests.cost

profile: $(VENV)/.dev  ## where the gateway's time goes under the trivial flow
	$(BIN)/python -m loadtests.hotspots

kernel-bench: $(VENV)/.dev
	$(BIN)/python -m loadtests.kernel

sandbox-bench: $(VENV)/.dev  ## scripts warm and fresh in a sandbox alone; host calls through the whole server
	$(BIN)/python -m loadtests.sandbox
	$(BIN)/python -m loadtests.host_calls

mutants: $(VENV)/.dev  ## hand-made faults in the kernel: each must be caught by a law
	$(BIN)/python tests/laws/mutants.py

storm: $(VENV)/.dev  ## the long storms: 30 s each
	STORM_SECONDS=30 $(BIN)/python -m pytest -q -s tests/chaos

simulate: $(VENV)/.dev  ## 10 000 seeds of the whole tree on a manual clock
	SIMULATION_SEEDS=10000 $(BIN)/python -m pytest -q -s tests/chaos/test_simulation.py

torture: $(VENV)/.servers  ## the long rows of the torture table; each says its numbers in a line: docs/torture.md
	TORTURE=1 $(BIN)/python -m pytest -q -s tests/torture

lock: $(VENV)/.dev
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements.lock

# The lock holds the tools too; `make run` installs what the package itself names, at the locked versions.
$(VENV)/.core: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV) || (apt-get update -q && apt-get install -y -q python3-venv && $(PYTHON) -m venv $(VENV))
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@touch $@

# The servers the tests run against, where they are missing (Debian, as root). PostgreSQL comes with the tools.
$(VENV)/.servers: $(VENV)/.dev
	@export PATH="$$PATH:/usr/sbin"; missing=""; \
	command -v mariadbd >/dev/null || missing="$$missing mariadb-server"; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	command -v pgbouncer >/dev/null || missing="$$missing pgbouncer"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	command -v nginx >/dev/null || missing="$$missing nginx-light"; \
	command -v haproxy >/dev/null || missing="$$missing haproxy"; \
	if [ -n "$$missing" ]; then \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	fi
	@touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
