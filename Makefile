# The words people type. What they do is in pipeline.py; `python pipeline.py --help` tells more.
#
# Only what is typed behind `make` counts, never a DEVICE, DATA or SIZE that another program left in
# the environment; PYTHON alone, which says the same to every program, may stand there too.
# Relative paths are of the folder where `make` is typed, also with -f. With -C it is that folder:
# `make -C clone deblur IN=photo.jpg` means clone/photo.jpg, since make goes there first.

# The variables that there are, by the target that passes them on as flags of the same name.
of-every       = DATA SEED DRY_RUN
of-runs        = RUN RUNS $(of-every)
of-blur        = $(of-every) RADIUS KERNEL DRAWS SIZE QUALITY BLADES CURVATURE ROTATION BRIGHTNESS \
                 THRESHOLD NOISE NOISE_KIND MONOCHROMATIC LINEAR DEPTH FOCUS SOFTNESS RIM VIGNETTING \
                 FRINGE GAMMA LAYERS COARSENESS SHARPENING JPEG SUBSAMPLING WORKERS
of-dataset     = N PART $(of-blur) FROM SOURCE KEEP IDS DRIVE_URL MIRROR_URL METADATA_URL CONNECTIONS \
                 MAX_FAILURES NUM_ATTEMPTS BACKOFF_S MAX_BACKOFF_S READ_TIMEOUT_S DEADLINE_S
of-train       = $(of-runs) RADIUS KERNEL PRESET FROM_RUN EPOCHS STEPS MAX_MINUTES PATIENCE BATCH \
                 GENERATOR CHANNELS BLOCKS START NORMALIZATION GAN_OBJECTIVE GAN_WEIGHT GAN_START \
                 GAN_SHARE L1_WEIGHT GRID_WEIGHT OPTIMIZER LEARNING_RATE SCHEDULE AVERAGE \
                 DISCRIMINATOR_LEARNING_RATE BETA1 CROP TURNS SCALES JITTER_PX CACHE PRECISION XLA \
                 LOG_EVERY SAMPLE_EVERY CHECKPOINT_MINUTES
of-all         = $(sort $(filter-out PART,$(of-dataset)) $(of-train))
of-demo        = $(of-all)
of-evaluate    = $(of-runs) RADIUS KERNEL REAL BASELINES
of-report      = $(of-runs) RADIUS KERNEL
of-deblur      = OUT $(of-runs) STRENGTH DETAIL COMPARE MAP
of-studio      = OUT PORT $(of-runs)
of-export      = $(of-runs) FORMATS
of-compare     = WITH RUNS $(of-every)
of-clean-pairs = $(of-every)
KNOWN := $(sort DEVICE PYTHON ROCM_WHEEL IN ARGS TORCH UPGRADE EXAMPLES PART $(of-all) $(of-evaluate) \
           $(of-deblur) $(of-studio) $(of-export) $(of-compare))

# How a value is read: a list of words, a path, a path where it has a slash, a yes (1) or a no (0)
# that stands for a bare flag. Every other is one word, spaces and all.
LISTS    = RADIUS KERNEL WITH FORMATS
PATHS    = IN FROM DATA RUNS OUT DEPTH REAL ROCM_WHEEL
SLASHED  = IDS TORCH PYTHON
SWITCHES = DRY_RUN COMPARE MAP UPGRADE
DEVICES  = cpu gpu rocm

flag-N       = --num-images
flag-DATA    = --data-dir
flag-RUNS    = --runs-dir
flag-TORCH   = --torch-python
default-N    = 1000
default-OUT  = restored
default-WITH = run-01 run-02
default-EXAMPLES = 1000

# Values reach the shell as typed. Make expands none (`value`), nor exports any, which would, and
# what a shell would act upon is quoted. A newline, the end of a recipe's line, is a variable there.
define newline


endef
export newline
comma  := ,
hash   := \#
UNSAFE  = ' " ` & ; | < > ( ) * ? [ ] { } ~ ! \ $$ $(hash)
blanks  = $(filter-out 1,$(words $1)) $(if $(findstring <<$(strip $1)>>,<<$1>>),,odd)
special = $(strip $(blanks) $(foreach each,$(UNSAFE),$(findstring $(each),$1)))
quote   = $(if $(special),'$(subst $(newline),'"$$newline"',$(subst ','\'',$1))',$1)
typed   = $(if $(filter command,$(origin $1)),$(value $1))
value-of = $(or $(call typed,$1),$(default-$1))

# A list is split but not globbed; a path may begin with ~/, or with a dash.
starts   = $(findstring <<$1,<<$2)
at-home  = $(subst <<~/,$(value HOME)/,<<$1)
whole    = $(call starts,/,$1)$(findstring ://,$1)
relative = $(if $(value TYPED_IN),$(value TYPED_IN)/$1,$(if $(call starts,-,$1),./)$1)
path     = $(if $(call starts,~/,$1),$(at-home),$(if $(whole),$1,$(relative)))
is-path  = $(or $(filter $1,$(PATHS)),$(and $(filter $1,$(SLASHED)),$(findstring /,$2)))
one-word = $(call quote,$(if $(is-path),$(call path,$2),$2))
as-words = $(if $(filter $1,$(LISTS)),$(foreach each,$2,$(call quote,$(each))),$(one-word))

# The flag of a variable $1 with the value $2, and those of all variables that are set among $1.
is-no = $(and $(filter $1,$(SWITCHES)),$(filter 0,$(value-of)))
set   = $(foreach var,$1,$(if $(call is-no,$(var)),,$(if $(call value-of,$(var)),$(var))))
name  = $(or $(flag-$1),--$(shell echo $1 | tr A-Z_ a-z-))
flag  = $(name)$(if $(filter $1,$(SWITCHES)),, $(as-words))
flags = $(foreach var,$(strip $(set)),$(call flag,$(var),$(call value-of,$(var))))

# PYTHON may also come from the environment, and goes on to a make started by this one.
from-outside   := $(if $(filter environment,$(origin PYTHON)),PYTHON)
default-PYTHON := $(or $(if $(from-outside),$(value PYTHON)),python3)
unexport $(filter-out $(from-outside),$(KNOWN)) TYPED_IN
# The device that .venv was made for stays the default; another is set up beside or over it.
default-DEVICE := $(firstword $(patsubst .venv/ready-%,%,$(wildcard .venv/ready-*)) cpu)
device  := $(call value-of,DEVICE)
python   = $(call one-word,PYTHON,$(call value-of,PYTHON))

# What is wrong is said before anything is done.
refuse  = $(shell printf '%s\n' $(call quote,error: $(strip $1)) >&2)$(error see `make help`)
nearest = $(shell $(python) -c 'import difflib, sys; \
            print(*difflib.get_close_matches(sys.argv[1].upper(), sys.argv[2:], 1, 0))' \
            $(call quote,$1) $(KNOWN) 2>/dev/null)
all-typed = $(foreach each,$(.VARIABLES),$(if $(filter command,$(origin $(each))),$(each)))
is-among  = $(if $(word 2,$2),,$(filter $1,$2))
unknown := $(firstword $(filter-out $(KNOWN),$(all-typed)))
unclear := $(firstword $(foreach each,$(SWITCHES),$(if $(call typed,$(each)),$(if $(call \
             is-among,0 1,$(call typed,$(each))),,$(each)))))
ifneq ($(unknown),)
  near := $(call nearest,$(unknown))
  $(call refuse,no variable is called $(unknown)$(if $(near),; the nearest is $(near)))
else ifneq ($(unclear),)
  $(call refuse,$(unclear) must be 0 or 1$(comma) got $(call typed,$(unclear)))
else ifeq ($(call is-among,$(DEVICES),$(device)),)
  $(call refuse,DEVICE must be one of $(DEVICES)$(comma) got $(device))
else ifeq ($(filter deblur,$(MAKECMDGOALS))$(call typed,IN),deblur)
  $(call refuse,name the photograph: make deblur IN=photo.jpg)
endif

READY    := .venv/ready-$(device)
VENV      = .venv
PIPELINE  = $(VENV)/bin/python pipeline.py $@ $(call flags,$(of-$@))
PIP       = $(VENV)/bin/python -m pip --quiet --disable-pip-version-check

# Restoring needs no TensorFlow: a small environment will do, unless there is a large one, or a
# device or another target asks for it.
is-large := $(or $(wildcard .venv/ready-*),$(call typed,DEVICE),$(filter-out deblur,$(MAKECMDGOALS)))
RESTORER := $(if $(is-large),$(READY),.venv-restore/ready)

CHECK     = @$(python) -c "import sys; v = sys.version_info; (3, 10) <= v < (3, 14) or sys.exit( \
  f'error: needs Python 3.10 to 3.13, got {v[0]}.{v[1]}; name another with PYTHON=python3.12')"

# AMD's TensorFlow is on no package index, and each build fits one version of ROCm and of Python.
WHEEL-rocm = $(call one-word,ROCM_WHEEL,$(or $(call typed,ROCM_WHEEL),$(no-wheel)))
no-wheel   = $(call refuse,DEVICE=rocm needs ROCM_WHEEL=..$(comma) file or address of AMD's \
  TensorFlow 2.20 or newer for your ROCm and Python$(comma) see \
  https://rocm.docs.amd.com/projects/ai-ecosystem/en/latest/frameworks/tensorflow/install.html)

# The locks: exact versions and hashes for every Python that pyproject.toml allows, without the
# address they came from. AMD's own build takes the place of the index's TensorFlow.
COMPILE   = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.10 \
            --generate-hashes --no-header --no-annotate $(call flags,UPGRADE)
LOCK-cpu  = --group dev pyproject.toml
LOCK-gpu  = $(LOCK-cpu) --extra gpu
LOCK-rocm = $(LOCK-cpu) --no-emit-package tensorflow
LOCK-restore = --group restore --constraints requirements/cpu.lock

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo dataset blur train evaluate report deblur studio export pretrained compare \
        figures all test lint fuzz bench lock clean-pairs

# The folder of this file if -f named it from another: there make starts anew.
spaced := $(subst <<,,$(subst << ,<<,<<$(MAKEFILE_LIST)))
file   := $(or $(wildcard $(lastword $(MAKEFILE_LIST))),$(spaced))
there  := $(if $(findstring /,$(file)),$(subst /Makefile<<,,$(file)<<))
ifneq ($(there),)

.PHONY: $(MAKECMDGOALS)
$(sort help $(MAKECMDGOALS)):
	@TYPED_IN=$(call quote,$(CURDIR)) $(MAKE) --no-print-directory -C $(call quote,$(there)) $@

else

# Required flags have their default here; the others repeat what `python pipeline.py` says.
SHOWN = DEVICE N RUN=run-01 OUT DATA=data RUNS=tf_checkpoints RADIUS=30 SOURCE=ffhq \
        PRESET=sharp SIZE=256 QUALITY=95 SEED=0 PYTHON
shown = $(firstword $1)=$(or $(call value-of,$(firstword $1)),$(word 2,$1))

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@printf '%s\n' $(call quote,with: $(foreach each,$(SHOWN),$(call shown,$(subst =, ,$(each)))))

setup: $(READY) ## .venv with the locked dependencies; DEVICE=cpu, gpu, or rocm with ROCM_WHEEL=..

$(READY): requirements/$(device).lock
	$(CHECK)
	$(python) -m venv .venv
	$(PIP) install -r $<
	$(if $(WHEEL-$(device)),$(PIP) install $(WHEEL-$(device)))
	@touch $@

# Made anew when its lock changes, since it keeps no pip: what is not needed is not kept.
.venv-restore/ready: VENV = .venv-restore
.venv-restore/ready: requirements/restore.lock
	$(CHECK)
	$(python) -m venv $(VENV) --clear
	$(PIP) install --no-compile -r $<
	$(PIP) uninstall --yes setuptools pip
	@touch $@

demo: default-N =
demo: $(READY) ## the whole pipeline on drawn pictures, offline, in minutes
	$(PIPELINE)

dataset: $(READY) ## N originals and their pairs; SOURCE=ffhq, mirror, drive, sample, folder FROM=..
	$(PIPELINE)

blur: $(READY) ## more blurred sets from the originals at hand; RADIUS="15 30 45"
	$(PIPELINE)

train: $(READY) ## trains RUN or goes on with it; PRESET=sharp, faithful, paper; EPOCHS, STEPS, RADIUS, KERNEL
	$(PIPELINE)

evaluate: $(READY) ## scores RUN on its test images and writes the report; RADIUS, KERNEL, REAL=folder
	$(PIPELINE)

report: $(READY) ## the page again, without evaluating
	$(PIPELINE)

deblur: VENV = $(patsubst %/,%,$(dir $(RESTORER)))
deblur: $(RESTORER) ## restores IN=photo.jpg, or a folder, into OUT=restored; COMPARE=1, MAP=1
	$(PIPELINE) $(call one-word,IN,$(call typed,IN))

studio: $(READY) ## a page on 127.0.0.1: blur with a live preview, restore, runs; PORT=8765
	$(PIPELINE)

export: $(READY) ## the trained generator as SavedModel, ONNX and TFLite, each checked; FORMATS=..
	$(PIPELINE)

# How the network in the box is made. Its long run stays in data/drawn, which may be deleted.
DRAWN = --data-dir data/drawn
BOX   = tf_checkpoints/pretrained
pretrained: $(READY) ## the network in the box again, from drawn pictures alone: about an hour
	$(CHECK)
	.venv/bin/python pipeline.py dataset $(DRAWN) --source sample --num-images 960
	.venv/bin/python pipeline.py blur $(DRAWN) --kernel wild --draws 4
	.venv/bin/python pipeline.py train $(DRAWN) --runs-dir data/drawn/runs --run pretrained \
	  --kernel 'wild-*' --preset faithful --channels 48 --steps 12000 --log-every 100 --sample-every 1000
	.venv/bin/python pipeline.py export $(DRAWN) --runs-dir data/drawn/runs --run pretrained \
	  --formats run
	rm -rf $(BOX)/ckpt-best $(BOX)/export
	cp -R data/drawn/runs/pretrained/export/run/. $(BOX)

# The pictures of README.md and docs/blur.md. The network in the box is scored on drawings of
# another seed than it was trained on, which stay in data/figures and may be deleted.
FIGURES = --data-dir data/figures
RADII   = 5 10 15 20 30 40 45
figures: $(READY) ## the figures of the documents again: settings of the blur, gain over radius
	.venv/bin/python -m benchmarks.draw_settings docs
	.venv/bin/python pipeline.py dataset $(FIGURES) --source sample --seed 1 --num-images 60 --radius $(RADII)
	.venv/bin/python pipeline.py blur $(FIGURES) --radius $(RADII) --linear 1
	.venv/bin/python pipeline.py evaluate $(FIGURES) --run $(notdir $(BOX)) --kernel 'disc-*'
	.venv/bin/python -m benchmarks.draw_gain $(BOX)/evaluation/curve.json docs/gain.svg

compare: $(READY) ## the evaluated runs WITH="run-01 run-02" in one table and one page
	$(PIPELINE)

all: $(READY) ## dataset, train and evaluate, each only where something is missing
	$(PIPELINE)

test: $(READY) ## the tests; ARGS="-m 'not slow'" leaves out those that take minutes
	$(if $(call typed,ARGS),PYTEST_ADDOPTS=$(call quote,$(call typed,ARGS))) .venv/bin/python -m pytest

lint: $(READY) ## the linter, the formatter's check and the types
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

fuzz: $(READY) ## damaged inputs of every kind, EXAMPLES=1000 a test; SEED=.. gives the same again
	FUZZ_EXAMPLES=$(call one-word,EXAMPLES,$(call value-of,EXAMPLES)) .venv/bin/python -m pytest \
	  -k fuzz --hypothesis-seed=$(call one-word,SEED,$(or $(call typed,SEED),random))

bench: $(READY) ## this project and its peers, side by side; DEVICE=gpu: steps on a GPU, in ten minutes
ifeq ($(call typed,DEVICE),gpu)
	.venv/bin/python -m benchmarks.bench_gpu
else
	.venv/bin/python -m benchmarks.bench_blur
	.venv/bin/python -m benchmarks.bench_dataset
	.venv/bin/python benchmarks/bench_download.py
	.venv/bin/python -m benchmarks.bench_data
	.venv/bin/python -m benchmarks.bench_train $(call flags,TORCH)
endif

lock: .venv-lock/bin/uv ## the hashed locks from pyproject.toml; UPGRADE=1 takes newer versions
	$(foreach each,$(DEVICES) restore,$(COMPILE) $(LOCK-$(each)) -o requirements/$(each).lock$(newline))

.venv-lock/bin/uv:
	$(python) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv

clean-pairs: $(READY) ## removes blurred and sharp folders, never originals or runs
	$(PIPELINE)

endif
