# Everything a checkout needs, from a machine with Python 3.11+, a Rust toolchain and a C compiler.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.locked
NATIVE := $(VENV)/.native
NICE   := nice -n 5

.DEFAULT_GOAL := help
.PHONY: help build test lint fmt e2e demo lab bench quality docs lock clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(NATIVE) ## Make .venv with locked requirements and the native module

$(STAMP): requirements.lock scripts/toolchain
	@PYTHON="$(PYTHON)" scripts/toolchain build
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/uv pip install -q --python $(BIN)/python -r requirements.lock
	touch $@

$(NATIVE): $(STAMP) pyproject.toml Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml -not -path '*/target/*')
	. $(BIN)/activate && $(NICE) maturin develop --release --locked --uv
	touch $@

test: $(NATIVE) ## Run the Python and Rust tests, all but the end-to-end ones
	$(BIN)/python -m pytest -n 2 -m "not e2e" $(ARGS)
	$(NICE) cargo test --locked -q -p apisec-core -p apisec-io

lint: $(STAMP) ## Check style, types and import order, in Python and Rust
	$(BIN)/ruff check src tests bench docs examples
	$(BIN)/ruff format --check src tests bench docs examples
	$(BIN)/mypy src
	$(BIN)/lint-imports
	cargo fmt --all --check
	$(NICE) cargo clippy --locked -q --workspace --all-targets -- -D warnings

fmt: $(STAMP) ## Format Python and Rust
	$(BIN)/ruff check --fix -q src tests bench docs examples; $(BIN)/ruff format src tests bench docs examples
	cargo fmt --all

e2e: $(NATIVE) ## Run whole processes against real SDKs (wants go and node too)
	@PYTHON="$(PYTHON)" scripts/toolchain e2e
	$(BIN)/python -m pytest -m e2e $(ARGS)
	APISEC_LOAD_SECONDS=60 $(NICE) cargo test --locked --release -q -p apisec-io --test load large

demo: $(NATIVE) ## Attack an example API and watch what is found
	$(BIN)/apisec-otel demo $(ARGS)

lab: $(NATIVE) ## Generate traffic of known truth, with attacks
	$(BIN)/python -m examples.lab $(ARGS)

bench: $(NATIVE) ## Measure CPU, latency and memory beside a Collector that only forwards
	@PYTHON="$(PYTHON)" scripts/toolchain e2e
	cargo build --locked --release -q -p otlp-load
	OTELCOL="$$($(BIN)/python tests/e2e/parts/build.py collector | tail -n 1)" $(BIN)/python -m bench.run --write $(ARGS)

quality: $(NATIVE) ## Measure how well it judges, and write docs/quality.md
	$(BIN)/python -m bench.quality $(ARGS)

docs: $(NATIVE) ## Write the generated parts of docs/ anew
	$(BIN)/python -m docs.generate $(ARGS)

lock: $(STAMP) ## Pin the newest allowed requirements in requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --upgrade --no-emit-index-url --no-header --no-annotate -q -o requirements.lock

clean: ## Remove everything that was built
	rm -rf $(VENV) target src/apisec_otel/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-out
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
