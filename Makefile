# What people type; `python pipeline.py --help` explains it. GNU make passes variables in MAKEFLAGS,
# unexpanded, and pipeline.py reads them there. Of the environment, only PYTHON has an effect.
typed   = $(if $(filter command,$(origin $1)),$(value $1))
python := $(or $(call typed,PYTHON),$(if $(filter environment,$(origin PYTHON)),$(value PYTHON)),python3)
set_up := $(firstword $(patsubst .venv/ready-%,%,$(wildcard .venv/ready-*)))
device := $(or $(if $(filter deblur,$(MAKECMDGOALS)),$(set_up)),$(call typed,DEVICE),$(set_up),cpu)
unexport $(foreach each,$(.VARIABLES),$(if $(filter command,$(origin $(each))),$(each)))
export PYTHON_TO_USE = $(value python)
export AMD_WHEEL     = $(call typed,ROCM_WHEEL)

refuse = $(shell echo "error: $(strip $1)" >&2)$(error see `make help`)
ifneq ($(words $(device)) $(filter cpu gpu rocm,$(device)),1 $(device))
  $(call refuse,DEVICE must be one of cpu gpu rocm)
else ifeq ($(device)$(call typed,ROCM_WHEEL),rocm)
  $(call refuse,DEVICE=rocm needs ROCM_WHEEL=.. (file or address of AMD's TensorFlow; see docs/commands.md))
else ifeq ($(filter deblur,$(MAKECMDGOALS))$(call typed,IN),deblur)
  $(call refuse,name the photograph: make deblur IN=photo.jpg)
else ifeq ($(filter deblur,$(MAKECMDGOALS))$(wildcard .venv*/ready*)$(word 2,$(call typed,IN))$(findstring \
  *,$(call typed,IN))$(shell cd "$${TYPED_IN:-.}"; test -e '$(subst ','\'',$(call typed,IN))' && echo there),deblur)
  $(call refuse,$(call typed,IN): no such file or folder; name another: make deblur IN=photo.jpg)
endif

# Three environments: restoring, preparing (adds OpenCV), training (adds TensorFlow). A goal uses
# the smallest one that it can use, or a larger one that exists.
PREPARING := dataset blur studio clean-pairs
large     := $(or $(set_up),$(filter-out cpu,$(call typed,DEVICE)),$(filter-out deblur $(PREPARING),$(MAKECMDGOALS)))
middle    := $(or $(wildcard .venv-prepare/ready),$(filter $(PREPARING),$(MAKECMDGOALS)))
TRAINER   := .venv/ready-$(device)
PREPARER  := $(if $(large),$(TRAINER),.venv-prepare/ready)
RESTORER  := $(if $(large)$(middle),$(PREPARER),.venv-restore/ready)

PIP   = bin/python -m pip --quiet --disable-pip-version-check
VENV  = @"$$PYTHON_TO_USE" -c "import sys; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit( \
  f'error: needs Python 3.11 to 3.13, got {v[0]}.{v[1]}; name another with PYTHON=python3.12')" \
  && "$$PYTHON_TO_USE" -m venv

.NOTPARALLEL:
STAGES := $(PREPARING) demo train evaluate report deblur export compare all
TARGETS := help setup $(STAGES) pretrained figures test lint fuzz bench lock
.PHONY: $(TARGETS)

NEAREST := import difflib, sys; typed, *known = sys.argv[1:]; quoted = "several files need quotes: IN=\"a.jpg b.jpg\""; \
  near = "the nearest is " + difflib.get_close_matches(typed, known, 1, 0)[0]; \
  print(f"error: no target is called {typed};", quoted if {*typed} & {*"./"} else near)
unknown := $(firstword $(filter-out $(TARGETS) .venv%,$(MAKECMDGOALS)))
ifneq ($(unknown),)
  $(shell "$(python)" -c '$(NEAREST)' '$(subst ','\'',$(unknown))' $(TARGETS) >&2)$(error see `make help`)
endif

# With -f from another folder, make starts anew in the folder of this file.
here := $(patsubst %/Makefile,%,$(strip $(MAKEFILE_LIST)))
ifneq ($(here),Makefile)
export HERE = $(value here)
export TYPED_IN = $(CURDIR)
.PHONY: $(MAKECMDGOALS)
$(sort help $(MAKECMDGOALS)):
	@cd "$$HERE" && $(MAKE) --no-print-directory $@
else

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(TRAINER) ## installs the locked dependencies in .venv; DEVICE=cpu, gpu, or rocm with ROCM_WHEEL=..

$(TRAINER): requirements/$(device).lock
	$(VENV) .venv
	.venv/$(PIP) install -r $<
	$(if $(call typed,ROCM_WHEEL),.venv/$(PIP) install "$$AMD_WHEEL")
	@touch $@

# Made anew when the lock changes, since pip is removed.
.venv-%/ready: requirements/%.lock
	$(VENV) $(@D) --clear
	$(@D)/$(PIP) install --no-compile -r $<
	$(@D)/$(PIP) uninstall --yes setuptools pip
	@touch $@

demo: $(TRAINER) ## all steps on drawn pictures, offline, in minutes
dataset: $(PREPARER) ## N=1000 originals and their pairs; SOURCE=ffhq, mirror, drive, sample, folder FROM=..
blur: $(PREPARER) ## more blurred sets from the same originals; RADIUS="15 30 45"
train: $(TRAINER) ## trains RUN, or continues it; PRESET=sharp, faithful, paper; EPOCHS, STEPS, RADIUS, KERNEL
evaluate: $(TRAINER) ## scores RUN on its test images and writes a page; RADIUS, KERNEL, REAL=folder
report: $(TRAINER) ## writes the page again, without evaluating
deblur: $(RESTORER) ## restores IN=photo.jpg or a folder into OUT=restored; COMPARE=1, MAP=1
studio: $(PREPARER) ## a page in the browser: blur with a preview, restore, runs; PORT=8765
export: $(TRAINER) ## writes the generator as SavedModel, ONNX and TFLite, and checks each; FORMATS=..
compare: $(TRAINER) ## compares the evaluated runs WITH="run-01 run-02" in one table and on one page
all: $(TRAINER) ## dataset, train and evaluate, each only if something is missing
clean-pairs: $(PREPARER) ## removes blurred and sharp pictures, never originals or runs
$(STAGES):
	@$(<D)/bin/python pipeline.py --make $@

# The long run of the pretrained network stays in data/drawn, which may be deleted.
DRAWN = --data-dir data/drawn
OF_RUN = --runs-dir data/drawn/runs --run pretrained
pretrained: $(TRAINER) ## trains the pretrained network again, from drawn pictures: 1 to 1.5 hours
	.venv/bin/python pipeline.py dataset $(DRAWN) --source sample --num-images 960
	.venv/bin/python pipeline.py blur $(DRAWN) --kernel wild --draws 4
	.venv/bin/python pipeline.py train $(DRAWN) $(OF_RUN) --kernel 'wild-*' --preset faithful --channels 48 \
	  --steps 12000 --log-every 100 --sample-every 1000
	.venv/bin/python pipeline.py export $(DRAWN) $(OF_RUN) --formats run
	cd tf_checkpoints/pretrained && rm -rf ckpt-best export && cp -R ../../data/drawn/runs/pretrained/export/run/. .

# Scored on drawn pictures with another seed than the training pictures; they stay in data/figures.
FIGURES = --data-dir data/figures --radius 5 10 15 20 30 40 45
figures: $(TRAINER) ## makes the figures of the documents again: portrait, blur settings, gain over radius
	for each in portrait settings; do .venv/bin/python -m benchmarks.draw_$$each docs || exit; done
	.venv/bin/python pipeline.py dataset $(FIGURES) --source sample --seed 1 --num-images 60
	.venv/bin/python pipeline.py blur $(FIGURES) --linear 1
	.venv/bin/python pipeline.py evaluate --data-dir data/figures --run pretrained --kernel 'disc-*'
	.venv/bin/python -m benchmarks.draw_gain tf_checkpoints/pretrained/evaluation/curve.json docs/gain.svg

test: export PYTEST_ADDOPTS = $(call typed,ARGS)
test: $(TRAINER) ## runs the tests; ARGS="-m 'not slow'" leaves out those that train
	.venv/bin/python -m pytest

lint: $(TRAINER) ## checks rules, format and types
	.venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy

fuzz: export FUZZ_EXAMPLES = $(or $(call typed,EXAMPLES),1000)
fuzz: export HYPOTHESIS_SEED = $(or $(call typed,SEED),random)
fuzz: $(TRAINER) ## tests damaged inputs, EXAMPLES=1000 per test; SEED=.. repeats a run
	.venv/bin/python -m pytest -k fuzz --hypothesis-seed="$$HYPOTHESIS_SEED"

bench: export TORCH_PYTHON = $(call typed,TORCH)
bench: $(TRAINER) ## measures this project and its peers; DEVICE=gpu times training on a GPU in ten minutes
	for each in $(if $(filter gpu,$(call typed,DEVICE)),gpu,blur dataset download data train composites); do \
	  .venv/bin/python -m benchmarks.bench_$$each || exit; done

# Exact versions and hashes; AMD's own build takes the place of the index's TensorFlow.
COMPILE = .venv-lock/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
          --generate-hashes --no-header --no-annotate $(if $(filter 1,$(call typed,UPGRADE)),--upgrade)
lock: ## writes the hashed locks from pyproject.toml; UPGRADE=1 takes newer versions
	test -x .venv-lock/bin/uv || { "$$PYTHON_TO_USE" -m venv .venv-lock && .venv-lock/$(PIP) install uv; }
	$(COMPILE) --extra train --group dev -o requirements/cpu.lock
	$(COMPILE) --extra gpu --group dev -o requirements/gpu.lock
	$(COMPILE) --extra train --group dev --no-emit-package tensorflow -o requirements/rocm.lock
	$(COMPILE) --extra prepare -c requirements/cpu.lock -o requirements/prepare.lock
	$(COMPILE) -c requirements/cpu.lock -o requirements/restore.lock
endif
