# One target per chore, which the CI calls too. `make` lists them. Written for GNU make 3.81 and any POSIX sh.

SHELL = /bin/sh
BIN = .venv/bin
# On a server `make compose` needs no .venv, only Python 3.11 or later.
COMPOSE = $(firstword $(wildcard $(BIN)/python) python3) -m include.platform.compose
READY = .venv/.ready
SCRIPTS = $(shell grep -lE '^.!/.*sh$$' .ci/* findings/* include/platform/images/* include/platform/images/*/* tests/platform/compose/images/*/* 2>/dev/null)
COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes $(if $(UPGRADE),--upgrade)

# Without bytecode every cold import takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL = help
.PHONY: help setup up down status doctor airflow new-pipeline pipelines check try schema evolve logs lint test lock generate images compose demo bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Make .venv with everything locked (PYTHON=… to choose the interpreter)

$(READY): requirements.txt requirements-dev.txt
	@if ! $(BIN)/uv --version >/dev/null 2>&1; then \
		python=$$(PYTHON='$(PYTHON)' .ci/python) || exit 1; echo "making .venv with $$python"; \
		"$$python" -m venv --clear .venv && \
		$(BIN)/python -m pip install --quiet "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements-dev.txt)"; \
	fi
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode $^
	@touch $@

up: setup ## Start the whole platform on this machine, or repair it; safe to repeat
	@$(BIN)/python -m include.platform.embedded up

down: ## Stop the platform; data is kept
	@test ! -e $(READY) || $(BIN)/python -m include.platform.embedded down

status: setup ## Show the state of each part; fails unless all are healthy
	@$(BIN)/python -m include.platform.embedded status

doctor: setup ## Find what keeps the platform from running, and what to do about it
	@$(BIN)/python -m include.platform.embedded doctor

airflow: setup ## Run Airflow's CLI on the platform (ARGS="dags list")
	@$(BIN)/python -m include.platform.embedded airflow $(ARGS)

new-pipeline: setup ## Write a pipeline for data that is there (NAME=bikes FROM=data.csv TARGET=late TIME=… TABLE=… QUERY=… FIRST=… LAST=…)
	@test -n "$$NAME" && test -n "$$FROM" && test -n "$$TARGET" || { \
		echo 'say what to write: make new-pipeline NAME=bikes FROM=data.csv TARGET=late' >&2; exit 2; }; \
	PYTHONPATH=plugins $(BIN)/python -m include.platform.new_pipeline --time="$$TIME" --table="$$TABLE" \
		--query="$$QUERY" --first="$$FIRST" --last="$$LAST" -- "$$NAME" "$$FROM" "$$TARGET"

pipelines: setup ## List the pipelines, each with the state of its contract; fails if one is broken
	@$(BIN)/python -m include.platform.pipelines

check: setup ## Find what would stop a pipeline, before it runs (PIPELINE=flights ARGS="--from … --to …")
	@PYTHONPATH=plugins $(BIN)/python -m include.platform.check $(if $(PIPELINE),'$(PIPELINE)') $(ARGS)

try: setup ## Run a pipeline's whole loop in one process (PIPELINE=flights ARGS="--from … --to …")
	@MLFLOW_DISABLE_TELEMETRY=true MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false PYTHONPATH=plugins \
		$(BIN)/python -m include.platform.trial $(if $(PIPELINE),'$(PIPELINE)') $(ARGS)

schema: setup ## Show what the columns of a pipeline's table are (PIPELINE=flights)
	@$(BIN)/python -m include.platform.table_columns schema $(if $(PIPELINE),'$(PIPELINE)')

evolve: setup ## Change the types of a pipeline's table to those that its contract declares (PIPELINE=flights)
	@$(BIN)/python -m include.platform.table_columns evolve $(if $(PIPELINE),'$(PIPELINE)')

logs: setup ## Follow the logs of all parts
	@$(BIN)/python -m include.platform.embedded logs

lint: setup ## Check style, types, layers, words, and the files of the CI
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=plugins $(BIN)/lint-imports
	$(BIN)/python .ci/words.py
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.gitlab-ci .ci/gitlab-ci.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.renovate .github/renovate.json
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yaml
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/shellcheck $(SCRIPTS)
	@if actionlint=$$(.ci/actionlint); then \
		echo "$$actionlint .github/workflows"; \
		"$$actionlint" -shellcheck $(BIN)/shellcheck -pyflakes '' .github/workflows/*.yaml; \
	else \
		echo "lint: actionlint is skipped (the reason is above): expressions and shell of workflows are not checked"; \
	fi

test: setup ## Run the tests (ARGS=… for pytest); WHAT=soak, chaos or fuzz: what takes long
	@case '$(WHAT)' in \
	'') $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS) ;; \
	soak) $(BIN)/python -m pytest -m soak $(ARGS) ;; \
	chaos) PYTHONPATH=plugins $(BIN)/python -m tests.chaos $(ARGS) ;; \
	fuzz) $(BIN)/python -m tests.fuzz $(ARGS) ;; \
	*) echo "make test: WHAT is '$(WHAT)'; choose soak, chaos, fuzz or nothing" >&2; exit 2 ;; \
	esac

lock: setup ## Compile requirements*.in into the locks (UPGRADE=1 takes newer versions)
	$(COMPILE) --quiet requirements.in -o requirements.txt
	$(COMPILE) --quiet requirements-dev.in -o requirements-dev.txt
	$(COMPILE) --quiet requirements-job.in -o requirements-job.txt
	$(COMPILE) --quiet requirements-mlflow.in -o requirements-mlflow.txt

generate: setup ## Write generated files: WHAT=files (default), compatibility or limits
	@case '$(or $(WHAT),files)' in \
	files) $(BIN)/python -m include.platform.generate && PYTHONPATH=plugins $(BIN)/python -m tests.support.picture ;; \
	compatibility) $(BIN)/python -m tests.support.compatibility ;; \
	limits) WRITE_LIMITS=yes $(BIN)/python -m pytest -q -p no:xdist tests/plugins/runtimes -k limits_of_the_documents ;; \
	*) echo "make generate: WHAT is '$(WHAT)'; choose files, compatibility or limits" >&2; exit 2 ;; \
	esac

images: ## Build the job image (BASE_IMAGE=… for another base, IMAGES="job airflow mlflow" for all)
	@include/platform/images/build $(or $(IMAGES),job)

compose: ## Run one server: DO=env, up, backup (TO=folder), restore (FROM=folder) or upgrade (TO=folder)
	@case '$(DO)' in \
	env | up) $(COMPOSE) $(DO) ;; \
	backup | upgrade) $(COMPOSE) $(DO) $(if $(TO),--folder '$(TO)') ;; \
	restore) test -n '$(FROM)' || { echo 'name the backup: make compose DO=restore FROM=var/backups/…' >&2; exit 2; }; \
		$(COMPOSE) restore --folder '$(FROM)' ;; \
	*) echo "make compose: DO is '$(DO)'; choose env, up, backup, restore or upgrade" >&2; exit 2 ;; \
	esac

demo: setup ## Show the closed loop on real data (ARGS="--from 2013-04-24" begins on a later day)
	@$(BIN)/python -m include.platform.demo $(ARGS)

bench: setup ## Measure the loop (WHAT=lake, docker, pods, runtimes, sources or idle for something else)
	@case '$(WHAT)' in \
		''|loop|lake|pods|runtimes|sources|idle) module='$(or $(WHAT),loop)' ;; \
		docker) module=containers ;; \
		*) echo "WHAT='$(WHAT)' is not measured; choose loop, lake, docker, pods, runtimes, sources or idle" >&2; exit 2 ;; \
	esac; PYTHONPATH=plugins $(BIN)/python -m "tests.bench.$$module" $(ARGS)

clean: $(if $(filter garbage data,$(WHAT)),setup,$(if $(WHAT:caches=),,down)) ## Remove WHAT=caches (the default, .venv too), garbage (of the lake, ARGS=--dry-run) or data (all)
	@case '$(or $(WHAT),caches)' in \
	caches) rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache; \
		find dags include plugins tests -name __pycache__ -type d -prune -exec rm -rf {} + ;; \
	garbage) $(BIN)/python -m include.platform.embedded.lakefs gc $(ARGS) ;; \
	data) $(BIN)/python -m include.platform.embedded wipe ;; \
	*) echo "make clean: WHAT is '$(WHAT)'; choose caches, garbage or data" >&2; exit 2 ;; \
	esac
