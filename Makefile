# The words people type. What they do is in pipeline.py; `python pipeline.py --help` tells more.

PYTHON ?= python3
# The device that .venv was made for stays the default; another is set up beside or over it.
DEVICE ?= $(firstword $(patsubst .venv/ready-%,%,$(wildcard .venv/ready-*)) cpu)
N      ?= 1000
RUN    ?= run-01
OUT    ?= restored
WITH   ?= run-01 run-02

# Every other variable is passed on under its own name, in lower case, when it is set.
BLUR_FLAGS    = RADIUS SIZE QUALITY BLADES CURVATURE ROTATION BRIGHTNESS THRESHOLD NOISE \
                NOISE_KIND MONOCHROMATIC LINEAR DEPTH FOCUS WORKERS
DATASET_FLAGS = $(BLUR_FLAGS) FROM SOURCE KEEP IDS DRIVE_URL MIRROR_URL METADATA_URL CONNECTIONS \
                MAX_FAILURES NUM_ATTEMPTS BACKOFF_S MAX_BACKOFF_S READ_TIMEOUT_S DEADLINE_S
TRAIN_FLAGS   = RADIUS PRESET EPOCHS STEPS MAX_MINUTES PATIENCE BATCH GENERATOR CHANNELS \
                BLOCKS NORMALIZATION GAN_OBJECTIVE GAN_WEIGHT GAN_START L1_WEIGHT GRID_WEIGHT \
                OPTIMIZER LEARNING_RATE DISCRIMINATOR_LEARNING_RATE BETA1 SCHEDULE CROP TURNS JITTER_PX \
                CACHE PRECISION XLA LOG_EVERY SAMPLE_EVERY CHECKPOINT_MINUTES

lower = $(subst _,-,$(shell echo $(1) | tr A-Z a-z))
flags = $(foreach name,$(sort $(1)),$(if $($(name)),--$(call lower,$(name)) $($(name))))
where = $(if $(DATA),--data-dir $(DATA)) $(if $(SEED),--seed $(SEED)) $(if $(DRY_RUN),--dry-run)
runs  = $(where) $(if $(RUNS),--runs-dir $(RUNS))

READY    := .venv/ready-$(DEVICE)
PIPELINE  = .venv/bin/python pipeline.py
PIP       = .venv/bin/python -m pip install --quiet --disable-pip-version-check

# AMD's TensorFlow is on no package index, and each build fits one version of ROCm and of Python.
WHEEL_rocm = $(or $(ROCM_WHEEL),$(error DEVICE=rocm needs ROCM_WHEEL=.., file or address of AMD's \
  TensorFlow 2.20 or newer for your ROCm and Python, see \
  https://rocm.docs.amd.com/projects/ai-ecosystem/en/latest/frameworks/tensorflow/install.html))

.DEFAULT_GOAL := help
.PHONY: help setup demo dataset blur train evaluate report deblur export compare all test lint bench clean-pairs

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "with: DEVICE=$(DEVICE) N=$(N) RUN=$(RUN) OUT=$(OUT) DATA=$(or $(DATA),data)" \
	  "RUNS=$(or $(RUNS),tf_checkpoints) RADIUS=$(or $(RADIUS),30) SOURCE=$(or $(SOURCE),ffhq)" \
	  "PRESET=$(or $(PRESET),sharp) SIZE=$(or $(SIZE),256) QUALITY=$(or $(QUALITY),95)" \
	  "SEED=$(or $(SEED),0) PYTHON=$(PYTHON)"

setup: $(READY) ## .venv with the locked dependencies; DEVICE=cpu, gpu, or rocm with ROCM_WHEEL=..

$(READY): requirements/$(DEVICE).lock
	@$(PYTHON) -c "import sys; v = sys.version_info; (3, 10) <= v < (3, 14) or sys.exit( \
	  f'error: needs Python 3.10 to 3.13, got {v[0]}.{v[1]}; name another with PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	$(PIP) -r $<
	$(if $(WHEEL_$(DEVICE)),$(PIP) $(WHEEL_$(DEVICE)))
	@touch $@

demo: $(READY) ## the whole pipeline on drawn portraits, offline, in minutes
	$(PIPELINE) demo $(runs) $(call flags,$(DATASET_FLAGS) $(TRAIN_FLAGS))

dataset: $(READY) ## N originals and their pairs; SOURCE=ffhq, mirror, drive, folder with FROM=.., sample
	$(PIPELINE) dataset --num-images $(N) $(where) $(call flags,$(DATASET_FLAGS))

blur: $(READY) ## more blurred sets from the originals at hand; RADIUS="15 30 45"
	$(PIPELINE) blur $(where) $(call flags,$(BLUR_FLAGS))

train: $(READY) ## trains RUN or goes on with it; PRESET=sharp or paper, EPOCHS=.. or STEPS=.., RADIUS=..
	$(PIPELINE) train --run $(RUN) $(runs) $(call flags,$(TRAIN_FLAGS))

evaluate: $(READY) ## scores RUN on its test images, writes metrics and the report
	$(PIPELINE) evaluate --run $(RUN) $(runs) $(call flags,RADIUS)

report: $(READY) ## the page again, without evaluating
	$(PIPELINE) report --run $(RUN) $(runs)

deblur: $(READY) ## restores IN=photo.jpg, or a folder, into OUT=restored; STRENGTH=0.5, COMPARE=1
	$(PIPELINE) deblur $(or $(IN),$(error name the photograph: make deblur IN=photo.jpg)) --out $(OUT) \
	  --run $(RUN) $(runs) $(call flags,STRENGTH) $(if $(COMPARE),--compare)

export: $(READY) ## the trained generator as SavedModel, ONNX and TFLite, each checked; FORMATS=..
	$(PIPELINE) export --run $(RUN) $(runs) $(call flags,FORMATS)

compare: $(READY) ## the evaluated runs WITH="run-01 run-02" in one table and one page
	$(PIPELINE) compare --with $(WITH) $(runs)

all: $(READY) ## dataset, train and evaluate, each only where something is missing
	$(PIPELINE) all --num-images $(N) --run $(RUN) $(runs) $(call flags,$(DATASET_FLAGS) $(TRAIN_FLAGS))

test: $(READY) ## the tests; ARGS="-m 'not slow'" leaves out those that take minutes
	.venv/bin/python -m pytest $(ARGS)

lint: $(READY) ## the linter and the formatter's check
	.venv/bin/ruff check
	.venv/bin/ruff format --check

bench: $(READY) ## this project and its peers, side by side
	.venv/bin/python -m benchmarks.bench_blur
	.venv/bin/python benchmarks/bench_download.py
	.venv/bin/python -m benchmarks.bench_data
	.venv/bin/python -m benchmarks.bench_train $(if $(TORCH),--torch-python $(TORCH))

clean-pairs: $(READY) ## removes blurred and sharp folders, never originals or runs
	$(PIPELINE) clean-pairs $(where)
