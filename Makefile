# make run    serve on http://127.0.0.1:8080 with the bundled engine
# make test   run all tests
# make soak   load with faults mixed in, for SOAK_SECONDS, and the books balanced afterwards
# make bench  what the gateway costs, beside HAProxy and beside nothing; also as bench.json
# make lint   look at style and types

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
LISTEN ?= 127.0.0.1:8080
SOURCES := setup.cfg pyproject.toml

SOAK_SECONDS ?= 600
BENCH_ROUNDS ?= 3

.PHONY: run test soak bench lint clean

run: $(VENV)/run.stamp
	@exec $(BIN)/python -m speech_gateway --skit-url embedded --listen $(LISTEN)

test: $(VENV)/test.stamp
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n auto --cov --cov-report= $(TESTS)
	$(BIN)/coverage report

soak: $(VENV)/test.stamp
	$(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS)

bench: $(VENV)/test.stamp
	@command -v haproxy >/dev/null \
	    || { apt-get update -qq && apt-get install -qq --no-install-recommends haproxy; } >/dev/null \
	    || { echo "HAProxy is needed to compare with; on Debian, as root: apt install haproxy" >&2; exit 1; }
	$(BIN)/python -m tests.bench --rounds $(BENCH_ROUNDS) --json bench.json

lint: $(VENV)/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache

# A stamp for each set of extras: made again only when what they name has changed.
$(VENV)/run.stamp: EXTRAS := embedded
$(VENV)/test.stamp: EXTRAS := embedded,test
$(VENV)/lint.stamp: EXTRAS := embedded,test,lint
$(VENV)/%.stamp: $(SOURCES) | $(BIN)/python
	@echo "Setting up $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "Python 3.11 with its venv module is needed; on Debian: apt install python3 python3-venv" >&2; \
	    exit 1; }
