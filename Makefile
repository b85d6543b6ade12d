# One verb a chore; the CI calls the same ones. `make` lists them. Written for GNU make 3.81 and any sh.

SHELL = /bin/sh
BIN = .venv/bin
# On a server the verbs of Compose need no .venv, only some Python.
COMPOSE = $(firstword $(wildcard $(BIN)/python) python3) -m include.platform.compose
READY = .venv/.ready
SCRIPTS = $(shell grep -lE '^.!/.*sh$$' .ci/* findings/* include/platform/images/* include/platform/images/*/* tests/platform/compose/images/*/* 2>/dev/null)
COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes $(if $(UPGRADE),--upgrade)

# Without bytecode every cold import takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL = help
.PHONY: help setup up down status logs lint test lock schema compatibility limits images compose-env compose-up compose-backup compose-restore compose-upgrade demo bench lake-gc clean clean-var

help: ## List the verbs
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

up: setup ## Start the whole platform on this machine; harmless if it runs
	@$(BIN)/python -m include.platform.embedded up

down: ## Stop it; data is kept
	@test ! -e $(READY) || $(BIN)/python -m include.platform.embedded down

status: setup ## Show how each part is
	@$(BIN)/python -m include.platform.embedded status

logs: setup ## Follow what the parts print
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
		echo "lint: without actionlint (above is why): the expressions and the shell of workflows are not read"; \
	fi

test: setup ## Run the tests (ARGS=… for pytest)
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lock: setup ## Compile requirements*.in into the locks (UPGRADE=1 takes newer versions)
	$(COMPILE) --quiet requirements.in -o requirements.txt
	$(COMPILE) --quiet requirements-dev.in -o requirements-dev.txt
	$(COMPILE) --quiet requirements-job.in -o requirements-job.txt
	$(COMPILE) --quiet requirements-mlflow.in -o requirements-mlflow.txt

schema: setup ## Generate the schema of pipeline.yaml and .env.example
	$(BIN)/python -m include.platform.generate

compatibility: setup ## Test the lake's contract and write what it has of lakeFS
	@$(BIN)/python -m tests.support.compatibility

limits: setup ## Write the tables of limits in docs/deployment.md from a running container and a running pod
	@WRITE_LIMITS=yes $(BIN)/python -m pytest -q -p no:xdist tests/plugins/operators -k limits_of_the_documents

images: ## Build the job image (BASE_IMAGE=… for another base, IMAGES="job airflow mlflow" for all)
	@include/platform/images/build $(or $(IMAGES),job)

compose-env: ## Write what is missing of the secrets of docker-compose.yaml into .env
	@$(COMPOSE) env

compose-up: ## Build the images, start the platform on this server and wait until all services are healthy
	@$(COMPOSE) up

compose-backup: ## Save its databases and files, whether it runs or not (TO=folder)
	@$(COMPOSE) backup $(if $(TO),--folder '$(TO)')

compose-restore: ## Put a backup back (FROM=folder); what is there now is lost
	@test -n '$(FROM)' || { echo 'name the backup: make compose-restore FROM=var/backups/…' >&2; exit 2; }
	@$(COMPOSE) restore --folder '$(FROM)'

compose-upgrade: ## Build this version's images, take a backup, migrate and restart (TO=folder)
	@$(COMPOSE) upgrade $(if $(TO),--folder '$(TO)')

demo: setup ## Show the closed loop on real data (ARGS="--from 2013-04-24" begins with a later day)
	@$(BIN)/python -m include.platform.demo $(ARGS)

bench: setup ## Measure the loop (WHAT=lake, docker, pods, runtimes or idle for something else)
	@case '$(WHAT)' in \
		''|loop|lake|pods|runtimes|idle) module='$(or $(WHAT),loop)' ;; \
		docker) module=containers ;; \
		*) echo "WHAT='$(WHAT)' is not measured; choose loop, lake, docker, pods, runtimes or idle" >&2; exit 2 ;; \
	esac; PYTHONPATH=plugins $(BIN)/python -m "tests.bench.$$module" $(ARGS)

lake-gc: setup ## Remove what nothing in the lake reaches (ARGS="--dry-run --retention DAYS")
	@$(BIN)/python -m include.platform.embedded.lakefs gc $(ARGS)

clean: down ## Stop, and remove .venv and caches; data is kept
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find dags include plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +

clean-var: setup ## Stop, and remove all data: databases, lake, logs, secrets
	@$(BIN)/python -m include.platform.embedded wipe
