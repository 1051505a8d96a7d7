# The two commands of a fresh machine: `make compare` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

OLD ?= demo-v1
NEW ?= demo-v2
POSSIBLE := $(if $(TASKS),--tasks $(TASKS)) $(if $(DATA),--data $(DATA)) $(if $(LIMIT),--limit $(LIMIT)) \
            $(if $(ENGINE),--engine $(ENGINE)) $(if $(DTYPE),--dtype $(DTYPE)) $(if $(DEVICE),--device $(DEVICE))

.DEFAULT_GOAL := help
.PHONY: help setup compare gate report notebook gsm8k-systems calibration published selftest test test-all check lint types contracts benchmark demo-models clean

help:  ## this list
	@echo "make compare [OLD=… NEW=… TASKS=… DATA=… LIMIT=… ENGINE=… DTYPE=… DEVICE=… ARGS='…']"
	@sed -n 's/^\([a-z-]*\):.*## /  \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

setup: $(VENV)/.installed  ## make .venv and install everything into it, once

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "regress needs Python 3.11 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[models,report,dev]'
	@touch $@

compare: setup  ## what did the update break? evaluates what is not stored yet, prints the table
	$(BIN)/regress compare $(OLD) $(NEW) $(POSSIBLE) $(ARGS)

gate: setup  ## may the new model go out? [POLICY=strict|balanced|permissive|FILE]
	$(BIN)/regress gate $(OLD) $(NEW) $(if $(POLICY),--policy $(POLICY)) $(POSSIBLE) $(ARGS)

report: setup  ## one page to open in a browser: verdict, table, pictures, every flip
	$(BIN)/regress report $(OLD) $(NEW) $(POSSIBLE) $(ARGS)

notebook: setup  ## run reports/flips.ipynb on the pair; the result lies beside it [OLD=… NEW=…]
	OLD=$(OLD) NEW=$(NEW) $(BIN)/jupyter-execute reports/flips.ipynb --output flips.executed.ipynb

SYSTEMS   := 6b_finetuning 6b_verification 175b_finetuning 175b_verification
SOLUTIONS := $(or $(DATA),../shared/data)/gsm8k/example_model_solutions.jsonl

gsm8k-systems: setup  ## four recorded GSM8K systems as runs, compared in three pairs [DATA=../shared/data]
	set -e; for system in $(SYSTEMS); do \
	  $(BIN)/regress import $(SOLUTIONS) --as $$system --task gsm8k --marker 'A: ' --map \
	    question=question,target=ground_truth,prediction=$$system.solution,correct=$$system.is_correct; done
	$(BIN)/regress compare 6b_finetuning 6b_verification --tasks gsm8k
	$(BIN)/regress compare 175b_finetuning 175b_verification --tasks gsm8k
	$(BIN)/regress compare 6b_verification 175b_finetuning --tasks gsm8k

selftest: setup  ## does regress compute on this machine what it must? known answers through the whole harness
	HF_HUB_OFFLINE=1 $(BIN)/regress selftest $(ARGS)

test: setup  ## the default test lane: no network, no GPU, no shared folder
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile $(ARGS)

test-all: setup  ## every test, the slow ones too
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

check: setup lint types contracts  ## what CI runs: lint, types, import contracts, tests
	@$(MAKE) --no-print-directory test

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

benchmark: setup  ## speed as ratios, printed and written to reports/benchmarks/
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.benchmarks $(ARGS)

calibration: setup  ## does the gate keep its promises? error rates, printed and written to reports/calibration/
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.calibration $(ARGS)

published: setup  ## what updates cost stories260k, beside published figures [MODELS=../shared/models]
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.published.stories $(if $(MODELS),--models $(MODELS)) $(ARGS)

demo-models: setup  ## train the built-in pair again, about six minutes of CPU
	$(BIN)/python -m regress.demo $(ARGS)

clean:  ## delete .venv and caches; stored runs stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
