# `make demo` shows it, `make serve` serves, `make test` tests. Each sets up what it needs first, once.
# PYTHON=COMMAND for another Python than the one that scripts/find_python.sh finds.
VENV := .venv
BIN := $(VENV)/bin
LABEL_STUDIO := .venv-label-studio

# a secret: 40 hexadecimal digits, as Label Studio wants a token to be
DRAW = $$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')

# Make an environment unless it is there: $(call make_venv,FOLDER)
make_venv = test -x $(1)/bin/python || { python="$(PYTHON)"; python=$${python:-$$(scripts/find_python.sh)} \
	&& echo "$(1): made with $$($$python --version)." && $$python -m venv $(1); }

# pip shows its progress on a terminal; elsewhere it reports errors only: $(call pip_install,FOLDER) ARGUMENTS
pip_install = quiet=--quiet; if test -t 1; then quiet=; fi; \
	$(1)/bin/python -m pip install --disable-pip-version-check $$quiet

.PHONY: help install demo demo-replay serve test bench lint format clean

help:  ## list the commands
	@grep -E '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed  ## set up .venv to serve

# LABEL_STUDIO_PORT=N PORT=N for other ports than 8080 and 9090
demo: $(VENV)/.installed-demo $(LABEL_STUDIO)/.installed  ## Label Studio with the backend and a project to annotate
	@$(BIN)/python -m demo.serve

demo-replay: $(VENV)/.installed-demo  ## play an annotator in the demo that runs, and draw the learning curve
	@$(BIN)/python -m demo.replay

serve: install  ## serve on port 9090
	$(BIN)/python -m huggingface_ner serve

test: $(VENV)/.installed-test $(LABEL_STUDIO)/.installed  ## set up and run the tests
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered

# the commit before subjects had to conform
COMMITS_SINCE := 753380f

lint: $(VENV)/.installed-test  ## ruff, mypy, import contracts, hadolint and commit subjects
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m scripts.commit_subjects $(COMMITS_SINCE)

# CORPUS=FOLDER for other texts than those of examples/news, MODEL=FOLDER or MODEL=base for another model
bench: $(VENV)/.installed-test  ## measure predicting and training, side by side
	HF_HUB_OFFLINE=1 $(BIN)/python -m bench.serving $(if $(CORPUS),--corpus $(CORPUS)) $(if $(MODEL),--model $(MODEL))
	HF_HUB_OFFLINE=1 $(BIN)/python -m bench.training $(if $(CORPUS),--corpus $(CORPUS)) $(if $(filter base,$(MODEL)),--base)

format: $(VENV)/.installed-test  ## format the code and fix what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.env:  ## make .env for docker compose, with random secrets
	umask 077 && sed -E \
		-e "s/^REDIS_PASSWORD=$$/&$(DRAW)/" \
		-e "s/^LABEL_STUDIO_API_KEY=$$/&$(DRAW)/" \
		-e "s/^LABEL_STUDIO_PASSWORD=$$/&$(DRAW)/" .env.example > $@

clean:  ## remove .venv and caches
	rm -rf $(VENV) $(LABEL_STUDIO) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# PyTorch by itself, since its wheel comes from a separate index; pip finds the packages that it needs.
# requirements-base.txt last: without its dependencies, which requirements.txt has in versions that are safe.
$(VENV)/.installed: requirements.txt requirements-base.txt
	@$(call make_venv,$(VENV))
	@echo "$(VENV): installing what serves and trains, about 1.8 GB on disk (5.5 GB with CUDA)."
	@index=$$(scripts/torch_index.sh $(BIN)/python) && $(call pip_install,$(VENV)) \
		$${index:+--no-deps --index-url "$$index"} "$$(grep '^torch==' requirements.txt)"
	@$(call pip_install,$(VENV)) -r requirements.txt
	@$(call pip_install,$(VENV)) --no-deps -r requirements-base.txt
	@touch $@

$(VENV)/.installed-demo: $(VENV)/.installed requirements-demo.txt
	@echo "$(VENV): installing what draws the demo's learning curve, about 0.1 GB."
	@$(call pip_install,$(VENV)) -r requirements-demo.txt
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-demo.txt requirements-test.txt
	@echo "$(VENV): installing what tests and lints, about 0.4 GB."
	@$(call pip_install,$(VENV)) -r requirements-test.txt
	@touch $@

$(LABEL_STUDIO)/.installed: requirements-label-studio.txt
	@$(call make_venv,$(LABEL_STUDIO))
	@echo "$(LABEL_STUDIO): installing Label Studio, about 1 GB."
	@$(call pip_install,$(LABEL_STUDIO)) -r requirements-label-studio.txt
	@touch $@
