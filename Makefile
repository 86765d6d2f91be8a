# Run `make` to see all commands. The first one that needs .venv creates it.

# Only what stands on the command line counts, not the environment: WSL has a NAME there.
NAME   =
DATA   = digits
TARGET =
HEADER =
GROUP  =
EXAMPLES =
SEEDS  =
EPOCHS =
QUICK  =
OUT    = runs
SAVE   =
REFIT  =
PORT   =
# For `make predict`.
MODEL  =
# For `make search`.
TRIALS  =
STAGES  =
ORACLE  =
START   =
MINUTES =
DISCARD =
# For `make recipe`, `make search` and `make gallery`.
CLUSTER =
# For `make bench` and `make gallery`: MNIST as an .npz file.
MNIST   =
# For `make gallery`: Fashion-MNIST as an .npz file; repeat the claims with other seeds; only measure the
# seconds that `make list` shows; only write the pages; where they are published.
FASHION =
CHECK   =
TIMES   =
PAGES   =
ADDRESS =
# For `make new`.
FROM    =
PYTHON ?= python3

VENV := .venv/bin
# A variable's value, quoted for the shell: as it is, even with a quote or a $ in it.
q = '$(subst ','\'',$(value $(1)))'
# An option of the program if the variable is set, and one without a value: $(call option,SEEDS,seeds).
option = $(if $(value $(1)),--$(2) $(call q,$(1)))
flag = $(if $(filter-out 0,$(value $(1))),--$(2))
table = --data $(call q,DATA) $(call option,TARGET,target) $(call option,HEADER,header) $(call option,GROUP,group)
training = $(table) $(call option,EXAMPLES,examples) $(call option,SEEDS,seeds) $(call option,EPOCHS,epochs) \
  $(call flag,QUICK,quick) --out $(call q,OUT)
model = $(call option,SAVE,save-model) $(call flag,REFIT,refit)
# Python 3.11 to 3.13: python3 if it is one of them, else the newest of them that is installed.
FITS := 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

# Libraries that a user's table needs.
tables = $(if $(filter %.parquet %.xlsx,$(value DATA)),.venv/tables)

# Fails with a message if no NAME was given: $(call named,what it is,an example).
named = test -n $(call q,NAME) || { echo 'error: no $(1) given; say for example make $@ NAME=$(2)' >&2; exit 2; }

.DEFAULT_GOAL := help
.PHONY: help recipe search predict inspect new notebook list tensorboard gallery gallery-serve bench test test-further test-all lint clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make recipe NAME=bn_vs_nobn [DATA=digits|mnist|fashion_mnist|cifar10|file.npz|table.csv|folder of images]'
	@echo '              [TARGET=column] [HEADER=none] [GROUP=column] [EXAMPLES=1000] [SEEDS=6] [EPOCHS=20] [QUICK=1]'
	@echo '              [OUT=runs] [SAVE=best.keras [REFIT=1]] [CLUSTER=auto|address]'
	@echo '  make search NAME=bn_vs_nobn [TRIALS=100] [STAGES=3] [ORACLE=random|sobol|bayesian] [DISCARD=1] [SEEDS=1]'
	@echo '              [START=learning_rate=0.01,...] [MINUTES=30], and the other options of make recipe'
	@echo '  make predict MODEL=best.keras DATA=new.csv [OUT=predictions.csv]'
	@echo '  make gallery [NAME=...] [MNIST=mnist.npz] [FASHION=fashion_mnist.npz] [CLUSTER=...]'
	@echo '              [CHECK=1: compare with other seeds] [TIMES=1: only measure the seconds] [PAGES=1: train nothing]'
	@echo '              [ADDRESS=where the site is published]'

recipe: .venv/installed $(tables) $(if $(CLUSTER),.venv/cluster)  ## run a recipe: NAME=..., see below
	@$(call named,recipe,bn_vs_nobn (make list shows all))
	@$(VENV)/python -m recipes run $(call q,NAME) $(training) $(model) $(call option,CLUSTER,cluster)

search: .venv/installed $(tables) $(if $(CLUSTER),.venv/cluster)  ## search a recipe's hyperparameters: NAME=... [TRIALS=100], see below
	@$(call named,recipe,bn_vs_nobn (make list shows all))
	@$(VENV)/python -m recipes search $(call q,NAME) $(training) $(model) $(call option,CLUSTER,cluster) \
	  $(call option,TRIALS,trials) $(call option,STAGES,stages) $(call option,ORACLE,oracle) \
	  $(call option,START,start) $(call option,MINUTES,minutes) $(call flag,DISCARD,discard)

predict: .venv/installed $(tables)  ## predict the classes of new examples: MODEL=best.keras DATA=new.csv [OUT=predictions.csv]
	@test '$(origin DATA)' != file || { echo 'error: no data given; say for example make predict MODEL=best.keras DATA=new.csv' >&2; exit 2; }
	@test -n $(call q,MODEL) || { echo 'error: no model given; say for example make predict MODEL=best.keras DATA=new.csv' >&2; exit 2; }
	@$(VENV)/python -m recipes predict $(call q,MODEL) $(call q,DATA) $(if $(filter-out file,$(origin OUT)),$(call option,OUT,out))

inspect: .venv/installed $(tables)  ## show how your data are read, and which labels are doubtful: DATA=... [TARGET=column]
	@$(VENV)/python -m recipes inspect $(table) --out $(call q,OUT)

new: .venv/installed  ## write a recipe of your own: NAME=my_question [FROM=a recipe to copy]
	@$(call named,name,my_question)
	@$(VENV)/python -m recipes new $(call q,NAME) $(call option,FROM,from)

notebook: .venv/installed $(tables)  ## write a recipe as a Jupyter notebook: NAME=..., with the options of make recipe
	@$(call named,recipe,bn_vs_nobn (make list shows all))
	@$(VENV)/python -m recipes notebook $(call q,NAME) $(training) --check
	@$(MAKE) --no-print-directory .venv/notebook
	@$(VENV)/python -m recipes notebook $(call q,NAME) $(training)

list: .venv/installed  ## list the recipes with their questions
	@$(VENV)/python -m recipes list

tensorboard: .venv/installed  ## show the logs of runs in TensorBoard: [NAME=...] [PORT=6006]
	@$(VENV)/python -m recipes tensorboard $(if $(value NAME),$(call q,NAME)) $(call option,PORT,port) --out $(call q,OUT)

gallery: .venv/installed $(if $(CLUSTER),.venv/cluster)  ## produce the reference results: hours for all, resumes if interrupted, see below
	@$(VENV)/python -m recipes gallery $(if $(value NAME),$(call q,NAME)) $(call option,MNIST,mnist) \
	  $(call option,FASHION,fashion) $(call option,CLUSTER,cluster) \
	  $(call flag,CHECK,check) $(call flag,TIMES,times) $(call flag,PAGES,pages) \
	  $(call option,ADDRESS,address)
	$(if $(NAME)$(CHECK)$(TIMES)$(PAGES),,@$(VENV)/python -m tests.screenshot)

gallery-serve: .venv/installed  ## serve the gallery's pages on 127.0.0.1: [PORT=8000]
	@$(VENV)/python -m recipes site $(call option,PORT,port)

bench: .venv/installed  ## compare speed; takes minutes and needs an idle machine: [MNIST=mnist.npz]
	@for file in tests/benchmarks/bench_*.py; do \
	  $(VENV)/python -m tests.benchmarks.$$(basename $$file .py) $(call q,MNIST) || exit; done

# Folders that users may take for targets: without these rules, make says "Nothing to be done".
.PHONY: recipes tests callbacks docs runs
recipes:
	@echo 'error: make recipe NAME=bn_vs_nobn runs a recipe, make list shows all' >&2; exit 2
tests:
	@echo 'error: make test runs the tests' >&2; exit 2
callbacks docs:
	@echo 'error: $@/ is a folder to read; make shows what can be made' >&2; exit 2
runs:
	@echo 'error: make recipe NAME=bn_vs_nobn makes a run, make tensorboard looks into all of them' >&2; exit 2

pytest := $(VENV)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

test: lint  ## run the linter and the tests
	@$(pytest) -m 'not slow and not further'

test-further: .venv/installed  ## run the further cases of the tests: more layers, optimizers and templates beside Keras, more recipes
	@$(pytest) -m 'further and not slow'

test-all: lint .venv/notebook .venv/tables .venv/cluster .venv-jax/installed  ## run all of them: also all notebooks, unusual data in all recipes, ...
	@$(pytest)

lint: .venv/installed  ## run the linter
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check

clean:  ## delete runs/ (results, unfinished work) and caches, but not .venv
	rm -rf runs .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

.venv-jax/installed: requirements-jax.txt .venv/installed
	@$(VENV)/python -m venv .venv-jax
	@.venv-jax/bin/pip install --quiet --disable-pip-version-check -r requirements-jax.txt && touch $@

.venv/notebook: requirements-notebook.txt .venv/installed
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check -r requirements-notebook.txt && touch $@

.venv/tables: requirements-tables.txt .venv/installed
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check -r requirements-tables.txt && touch $@

.venv/cluster: requirements-cluster.txt .venv/installed
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check -r requirements-cluster.txt && touch $@

.venv/installed: requirements.txt
	@for python in $(PYTHON) python3.13 python3.12 python3.11 none; do \
	  $$python -c $(FITS) 2>/dev/null && break; done; \
	  test $$python != none || { echo 'error: no Python 3.11, 3.12 or 3.13 found; install one, or say where it is with PYTHON=...' >&2; exit 2; }; \
	  echo "making .venv with $$($$python --version): once, some minutes, 3 GB"; \
	  $$python -m venv .venv
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
