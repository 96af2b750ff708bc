# Every target sets up what it needs first; see config/set-up.sh. It needs Python 3.11 or newer.

BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo sandbox test check simulate planted faults fuzz bench bench-plates pictures contract lock
.DEFAULT_GOAL := demo

demo: $(READY) ## A lot, its hardware and a cloud on this machine: make demo ARGS="--help"
	@$(BIN)/parkgraph-demo $(ARGS)

sandbox: $(READY) ## A lot and a cloud to call, over TLS, where cars come by themselves
	@$(BIN)/parkgraph-demo sandbox $(ARGS)

test: $(READY) ## The specification: make test ARGS="tests/unit -k plate"
	@$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## Lint, format, types, import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

simulate: $(READY) ## Whole lots and clouds under faults: make simulate SEEDS=20 FIRST=1, or SEED=7 for one
	@$(BIN)/python -m tests.simulation \
		$(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),10) --first $(or $(FIRST),1)) $(ARGS)

planted: $(READY) ## Bugs planted in copies of the tree, all of which the simulation has to find
	@$(BIN)/python -m tests.simulation.planted $(ARGS)

faults: $(READY) ## Real programs killed, cut off and starved: make faults ARGS="power-cuts --cuts 20"
	@$(BIN)/python -m tests.faults $(ARGS)

fuzz: $(READY) ## Calls of /api/v1 made up from its document: make fuzz ARGS="--cases 20000"
	@$(BIN)/python -m tests.fuzz $(ARGS)

bench: $(READY) ## What it does a second, and how fast
	@$(BIN)/python -m tests.bench $(ARGS)

bench-plates: $(READY) ## How well plates are read: make bench-plates ARGS="--data FOLDER --peers FOLDER"
	@$(BIN)/python -m tests.bench.plates $(ARGS)

pictures: $(READY) ## The pictures of the documentation
	@$(BIN)/python -m tests.pictures $(ARGS)

contract: $(READY) ## The OpenAPI document of /api/v1: config/openapi.json
	@$(BIN)/python -m parkgraph.front.openapi >config/openapi.json

COMPILE := uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock: $(READY) ## Choose the newest versions that pyproject.toml allows: make lock ARGS=--upgrade
	@command -v uv >/dev/null || [ -x $(BIN)/uv ] || \
		{ echo "Downloading uv (about 25 MB) into .venv"; $(BIN)/python -m pip install --quiet uv; }
	@PATH="$$PATH:$(BIN)" $(COMPILE) $(patsubst %,--extra %,client edge vision cloud sim dev) \
		--output-file requirements.lock $(ARGS) pyproject.toml
	@PATH="$$PATH:$(BIN)" $(COMPILE) --extra train --output-file edge/training/requirements.lock $(ARGS) pyproject.toml

$(READY): requirements.lock pyproject.toml config/set-up.sh
	@PYTHON="$(PYTHON)" sh config/set-up.sh
