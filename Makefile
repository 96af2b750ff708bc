# Every target sets up what it needs first; see config/set-up.sh. It needs Python 3.11 or newer.

BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check bench pictures lock
.DEFAULT_GOAL := demo

demo: $(READY) ## A lot, its hardware and a cloud on this machine: make demo ARGS="--help"
	@$(BIN)/parkgraph-demo $(ARGS)

test: $(READY) ## The specification: make test ARGS="tests/unit -k plate"
	@$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## Lint, format, types, import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(READY) ## What it does a second, and how fast
	@$(BIN)/python -m tests.bench $(ARGS)

pictures: $(READY) ## The pictures of the documentation
	@$(BIN)/python -m tests.pictures $(ARGS)

lock: $(READY) ## Choose the newest versions that pyproject.toml allows: make lock ARGS=--upgrade
	@command -v uv >/dev/null || [ -x $(BIN)/uv ] || \
		{ echo "Downloading uv (about 25 MB) into .venv"; $(BIN)/python -m pip install --quiet uv; }
	@PATH="$$PATH:$(BIN)" uv pip compile --quiet --no-config --universal --python-version 3.11 --all-extras \
		--generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --output-file requirements.lock $(ARGS) pyproject.toml

$(READY): requirements.lock pyproject.toml config/set-up.sh
	@PYTHON="$(PYTHON)" sh config/set-up.sh
