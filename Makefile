# Two commands do everything: `make serve` and `make test`. Both set up .venv first, once.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LABEL_STUDIO := .venv-label-studio

.PHONY: help install serve test bench lint format clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed  ## set up .venv to serve

serve: install  ## serve on port 9090
	$(BIN)/python -m huggingface_ner serve

test: $(VENV)/.installed-test $(LABEL_STUDIO)/.installed  ## set up and run the tests
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest

lint: $(VENV)/.installed-test  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# CORPUS=FOLDER for other texts than those of examples/news, MODEL=FOLDER or MODEL=base for another model
bench: $(VENV)/.installed-test  ## measure predicting and training, side by side
	HF_HUB_OFFLINE=1 $(BIN)/python -m bench.serving $(if $(CORPUS),--corpus $(CORPUS)) $(if $(MODEL),--model $(MODEL))
	HF_HUB_OFFLINE=1 $(BIN)/python -m bench.training $(if $(CORPUS),--corpus $(CORPUS)) $(if $(filter base,$(MODEL)),--base)

format: $(VENV)/.installed-test  ## format the code and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and caches
	rm -rf $(VENV) $(LABEL_STUDIO) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# requirements-base.txt last: without its dependencies, which requirements.txt has in versions that are safe
$(VENV)/.installed: requirements.txt requirements-base.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps -r requirements-base.txt
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-test.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-test.txt
	touch $@

$(LABEL_STUDIO)/.installed: requirements-label-studio.txt
	test -x $(LABEL_STUDIO)/bin/python || $(PYTHON) -m venv $(LABEL_STUDIO)
	$(LABEL_STUDIO)/bin/python -m pip install --disable-pip-version-check --quiet -r requirements-label-studio.txt
	touch $@
