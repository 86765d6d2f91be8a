# Run `make` to see what there is. The first target that needs it makes .venv by itself.

# Only what stands on the command line counts, not the environment: WSL has a NAME there.
NAME   =
DATA   = digits
TARGET =
HEADER =
SEEDS  =
EPOCHS =
QUICK  =
OUT    = runs
SAVE   =
PORT   =
# Of `make search`.
TRIALS  =
STAGES  =
ORACLE  =
DISCARD =
# Of `make recipe`, `make search` and `make gallery`.
CLUSTER =
# Of `make bench` and `make gallery`.
MNIST   =
# Of `make gallery`: only the seconds that `make list` shows.
TIMES   =
# Of `make new`.
FROM    =
PYTHON ?= python3

VENV := .venv/bin
# Quotes a value for the shell, also one with a quote in it.
q = '$(subst ','\'',$(1))'
# Python 3.11 to 3.13; the newest of them that is installed, unless python3 already is one.
FITS := 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

# Libraries for a table of one's own, where it needs them.
tables = $(if $(filter %.parquet %.xlsx,$(DATA)),.venv/tables)

# Says so if no NAME was given: $(call named,what it is,an example).
named = test -n $(call q,$(NAME)) || { echo 'error: no $(1) given; say for example make $@ NAME=$(2)' >&2; exit 2; }

.DEFAULT_GOAL := help
.PHONY: help recipe search inspect new notebook list tensorboard gallery gallery-serve bench test test-all lint clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make recipe NAME=bn_vs_nobn [DATA=digits|mnist|fashion_mnist|cifar10|file.npz|table.csv]'
	@echo '              [TARGET=column] [HEADER=none] [SEEDS=6] [EPOCHS=20] [QUICK=1] [OUT=runs] [SAVE=best.keras]'
	@echo '              [CLUSTER=auto|address]'
	@echo '  make search NAME=bn_vs_nobn [TRIALS=100] [STAGES=3] [ORACLE=random|bayesian] [DISCARD=1]'
	@echo '              [DATA=...] [TARGET=column] [HEADER=none] [SEEDS=1] [EPOCHS=20] [QUICK=1] [OUT=runs]'
	@echo '              [CLUSTER=auto|address]'

recipe: .venv/installed $(tables) $(if $(CLUSTER),.venv/cluster)  ## run a recipe: NAME=..., see below
	@$(call named,recipe,bn_vs_nobn (make list shows all))
	@$(VENV)/python -m recipes run $(call q,$(NAME)) --data $(call q,$(DATA)) --out $(call q,$(OUT)) \
	  $(if $(TARGET),--target $(call q,$(TARGET))) $(if $(HEADER),--header $(call q,$(HEADER))) \
	  $(if $(SEEDS),--seeds $(call q,$(SEEDS))) \
	  $(if $(EPOCHS),--epochs $(call q,$(EPOCHS))) $(if $(filter-out 0,$(QUICK)),--quick) \
	  $(if $(SAVE),--save-model $(call q,$(SAVE))) $(if $(CLUSTER),--cluster $(call q,$(CLUSTER)))

search: .venv/installed $(tables) $(if $(CLUSTER),.venv/cluster)  ## search a recipe's hyperparameters: NAME=... [TRIALS=100], see below
	@$(call named,recipe,bn_vs_nobn (make list shows all))
	@$(VENV)/python -m recipes search $(call q,$(NAME)) --data $(call q,$(DATA)) --out $(call q,$(OUT)) \
	  $(if $(TARGET),--target $(call q,$(TARGET))) $(if $(HEADER),--header $(call q,$(HEADER))) \
	  $(if $(TRIALS),--trials $(call q,$(TRIALS))) \
	  $(if $(STAGES),--stages $(call q,$(STAGES))) $(if $(ORACLE),--oracle $(call q,$(ORACLE))) \
	  $(if $(SEEDS),--seeds $(call q,$(SEEDS))) $(if $(EPOCHS),--epochs $(call q,$(EPOCHS))) \
	  $(if $(filter-out 0,$(DISCARD)),--discard) $(if $(filter-out 0,$(QUICK)),--quick) \
	  $(if $(CLUSTER),--cluster $(call q,$(CLUSTER)))

inspect: .venv/installed $(tables)  ## show what is understood of your table: DATA=... [TARGET=column] [HEADER=none]
	@$(VENV)/python -m recipes inspect --data $(call q,$(DATA)) \
	  $(if $(TARGET),--target $(call q,$(TARGET))) $(if $(HEADER),--header $(call q,$(HEADER)))

new: .venv/installed  ## write a recipe of your own: NAME=my_question [FROM=a recipe to copy]
	@$(call named,name,my_question)
	@$(VENV)/python -m recipes new $(call q,$(NAME)) $(if $(FROM),--from $(call q,$(FROM)))

notebook: .venv/notebook $(tables)  ## write a recipe as a Jupyter notebook: NAME=..., options as of recipe
	@$(call named,recipe,bn_vs_nobn (make list shows all))
	@$(VENV)/python -m recipes notebook $(call q,$(NAME)) --data $(call q,$(DATA)) --out $(call q,$(OUT)) \
	  $(if $(TARGET),--target $(call q,$(TARGET))) $(if $(HEADER),--header $(call q,$(HEADER))) \
	  $(if $(SEEDS),--seeds $(call q,$(SEEDS))) \
	  $(if $(EPOCHS),--epochs $(call q,$(EPOCHS))) $(if $(filter-out 0,$(QUICK)),--quick)

list: .venv/installed  ## the recipes with their questions
	@$(VENV)/python -m recipes list

tensorboard: .venv/installed  ## look inside the runs: [NAME=...] [PORT=6006]
	@$(VENV)/python -m recipes tensorboard $(if $(NAME),$(call q,$(NAME))) \
	  $(if $(PORT),--port $(call q,$(PORT))) --out $(call q,$(OUT))

gallery: .venv/installed $(if $(CLUSTER),.venv/cluster)  ## make the reference results: 20 seeds, hours for all; goes on where it was: [NAME=...] [MNIST=mnist.npz] [TIMES=1]
	@$(VENV)/python -m recipes gallery $(if $(NAME),$(call q,$(NAME))) $(if $(MNIST),--mnist $(call q,$(MNIST))) \
	  $(if $(CLUSTER),--cluster $(call q,$(CLUSTER))) $(if $(filter-out 0,$(TIMES)),--times)
	$(if $(NAME)$(TIMES),,@$(VENV)/python -m tests.screenshot)

gallery-serve: .venv/installed  ## the gallery's pages on 127.0.0.1: [PORT=8000]
	@$(VENV)/python -m recipes site $(if $(PORT),--port $(call q,$(PORT)))

bench: .venv/installed  ## measure speed side by side; takes minutes, wants a quiet machine: [MNIST=mnist.npz]
	@for file in tests/benchmarks/bench_*.py; do \
	  $(VENV)/python -m tests.benchmarks.$$(basename $$file .py) $(call q,$(MNIST)) || exit; done

test: lint  ## the linter and the tests
	@$(VENV)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup -m 'not slow'

test-all: lint .venv/notebook .venv/tables .venv/cluster .venv-jax/installed  ## what takes longer, too: all notebooks, own data in all recipes, ...
	@$(VENV)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup

lint: .venv/installed  ## the linter
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check

clean:  ## delete runs/ (results, unfinished work) and caches; .venv stays
	rm -rf runs .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

.venv-jax/installed: requirements-jax.txt .venv/installed
	@$(VENV)/python -m venv .venv-jax
	@.venv-jax/bin/pip install --quiet --disable-pip-version-check -r requirements-jax.txt && touch $@

.venv/notebook: requirements-notebook.txt .venv/installed
	@$(VENV)/pip install --quiet -r requirements-notebook.txt && touch $@

.venv/tables: requirements-tables.txt .venv/installed
	@$(VENV)/pip install --quiet -r requirements-tables.txt && touch $@

.venv/cluster: requirements-cluster.txt .venv/installed
	@$(VENV)/pip install --quiet -r requirements-cluster.txt && touch $@

.venv/installed: requirements.txt
	@for python in $(PYTHON) python3.13 python3.12 python3.11 none; do \
	  $$python -c $(FITS) 2>/dev/null && break; done; \
	  test $$python != none || { echo 'error: no Python 3.11, 3.12 or 3.13 found; install one, or say where it is with PYTHON=...' >&2; exit 2; }; \
	  echo "making .venv with $$($$python --version): once, some minutes, 3 GB"; \
	  $$python -m venv .venv
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
