PYTHON ?= python3
BIN := .venv/bin
CHECKPOINT ?= checkpoints/slvit-tiny
# All tests, by up to four processes: none waits long for the last one, which takes tests from the others.
ALL_TESTS := --numprocesses logical --maxprocesses 4 --dist worksteal
INSTALL := $(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt

.PHONY: app test check bench clean

app: .venv/app-installed  ## Serve the page with the bundled checkpoint; arguments: make app ARGS="--port 8000"
	$(BIN)/python app.py --checkpoint $(CHECKPOINT) $(ARGS)

test: .venv/tests-installed  ## Run all tests; a choice of them: make test ARGS="tests/test_photo.py -k alpha"
	$(BIN)/python -m pytest $(or $(ARGS),$(ALL_TESTS))

check: .venv/tests-installed  ## Lint and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/tests-installed  ## Time of an answer, step by step
	$(BIN)/python -m benchmarks.latency $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/app-installed: requirements.txt constraints.txt | $(BIN)/python
	$(INSTALL) --requirement requirements.txt
	touch $@

.venv/tests-installed: requirements-test.txt requirements-train.txt .venv/app-installed
	$(INSTALL) --requirement requirements-test.txt
	touch $@
