# `make demo` runs the demo, `make serve` the server, `make test` the tests. Each first installs what is missing.
# Set PYTHON=COMMAND to use another Python than the one that scripts/find_python.sh finds.
VENV := .venv
BIN := $(VENV)/bin
LABEL_STUDIO := .venv-label-studio

# a random secret: 40 hexadecimal digits, the format of Label Studio's tokens
DRAW = $$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')

# Make a virtual environment if it does not exist: $(call make_venv,FOLDER)
make_venv = test -x $(1)/bin/python || { python="$(PYTHON)"; python=$${python:-$$(scripts/find_python.sh)} \
	&& echo "$(1): made with $$($$python --version)." && $$python -m venv $(1); }

# Run pip, which shows its progress on a terminal, and only errors elsewhere: $(call pip_install,FOLDER) ARGUMENTS
pip_install = quiet=--quiet; if test -t 1; then quiet=; fi; \
	$(1)/bin/python -m pip install --disable-pip-version-check $$quiet

.PHONY: help install demo demo-replay serve test bench gpu lint format pin-images clean

help:  ## list the commands
	@grep -E '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed  ## set up .venv to serve

# LABEL_STUDIO_PORT=N and PORT=N set other ports than 8080 and 9090
demo: $(VENV)/.installed-demo $(LABEL_STUDIO)/.installed  ## run Label Studio with the backend and a project to annotate
	@$(BIN)/python -m demo.serve

demo-replay: $(VENV)/.installed-demo  ## simulate an annotator in the running demo, and draw the learning curve
	@$(BIN)/python -m demo.replay

serve: install  ## serve on port 9090
	$(BIN)/python -m huggingface_ner serve

test: $(VENV)/.installed-test $(LABEL_STUDIO)/.installed  ## install what the tests need, and run them
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered

# the subjects of this commit and of earlier ones are not checked
COMMITS_SINCE := 753380f

lint: $(VENV)/.installed-test  ## run ruff, mypy and hadolint; check import contracts and commit subjects
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m scripts.commit_subjects $(COMMITS_SINCE)

# CORPUS=FOLDER uses other texts than examples/news; MODEL=FOLDER or MODEL=base uses another model
bench: $(VENV)/.installed-test  ## measure predicting and training
	HF_HUB_OFFLINE=1 $(BIN)/python -m bench.serving $(if $(CORPUS),--corpus $(CORPUS)) $(if $(MODEL),--model $(MODEL))
	HF_HUB_OFFLINE=1 $(BIN)/python -m bench.training $(if $(CORPUS),--corpus $(CORPUS)) $(if $(filter base,$(MODEL)),--base)

# CORPUS and MODEL as for `make bench`; DOCUMENTS=FOLDER also measures long texts; GPU=N uses another GPU than the first.
# If PyTorch finds the GPU, each further step runs even if an earlier one has failed.
gpu: export HF_HUB_OFFLINE := 1
gpu: export CUDA_DEVICE_ORDER := PCI_BUS_ID
gpu: export CUDA_VISIBLE_DEVICES := $(or $(GPU),0)
gpu: $(VENV)/.installed-test  ## run the tests that need an NVIDIA GPU, and measure predicting and training on it
	$(BIN)/python -m bench.devices --device cuda
	failed=0; \
	$(BIN)/python -m pytest -m cuda tests/test_cuda.py || failed=1; \
	$(BIN)/python -m bench.serving --device cuda $(if $(CORPUS),--corpus $(CORPUS)) \
		$(if $(DOCUMENTS),--documents $(DOCUMENTS)) $(if $(MODEL),--model $(MODEL)) || failed=1; \
	$(BIN)/python -m bench.while_training --device cuda --projects 2 --trainings 3 || failed=1; \
	exit $$failed

format: $(VENV)/.installed-test  ## format the code and fix what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.env:  ## make .env for docker compose, with random secrets
	umask 077 && sed -E \
		-e "s/^REDIS_PASSWORD=$$/&$(DRAW)/" \
		-e "s/^LABEL_STUDIO_API_KEY=$$/&$(DRAW)/" \
		-e "s/^LABEL_STUDIO_PASSWORD=$$/&$(DRAW)/" .env.example > $@

pin-images:  ## pin the base images to their digests; needs Docker
	@python="$(PYTHON)"; $${python:-$$(scripts/find_python.sh)} -m scripts.pin_images

clean:  ## remove .venv and caches
	rm -rf $(VENV) $(LABEL_STUDIO) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# PyTorch is installed first and alone, because its wheel may come from a separate index. The packages that it needs are
# installed with requirements.txt. requirements-base.txt comes last and is installed without its dependencies, because
# requirements.txt has safe versions of them.
$(VENV)/.installed: requirements.txt requirements-base.txt
	@$(call make_venv,$(VENV))
	@echo "$(VENV): installing the packages that serve and train, about 1.8 GB on disk (5.5 GB with CUDA)."
	@index=$$(scripts/torch_index.sh $(BIN)/python) && $(call pip_install,$(VENV)) \
		$${index:+--no-deps --index-url "$$index"} "$$(grep '^torch==' requirements.txt)"
	@$(call pip_install,$(VENV)) -r requirements.txt
	@$(call pip_install,$(VENV)) --no-deps -r requirements-base.txt
	@touch $@

$(VENV)/.installed-demo: $(VENV)/.installed requirements-demo.txt
	@echo "$(VENV): installing the packages that draw the demo's learning curve, about 0.1 GB."
	@$(call pip_install,$(VENV)) -r requirements-demo.txt
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-demo.txt requirements-test.txt
	@echo "$(VENV): installing the packages that test and lint, about 0.5 GB."
	@$(call pip_install,$(VENV)) -r requirements-test.txt
	@touch $@

$(LABEL_STUDIO)/.installed: requirements-label-studio.txt
	@$(call make_venv,$(LABEL_STUDIO))
	@echo "$(LABEL_STUDIO): installing Label Studio, about 1 GB."
	@$(call pip_install,$(LABEL_STUDIO)) -r requirements-label-studio.txt
	@touch $@
