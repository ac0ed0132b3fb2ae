# The project's verbs; `make help` prints them. Needs make, Python 3.11 to 3.13 with venv, and a package registry.
# The index and the CA bundle set for pip (pip.conf or PIP_*) hold for uv as well.

.DEFAULT_GOAL := help
.PHONY: help install serve unit test walks test-all test-long soak soak-drain soak-models faults fuzz check bench bench-smoke screenshots docs docs-site dist lock check-gpu-lock devel image test-image test-arm

# The fastest suitable one of these makes the environment; the first, where they are about as fast as each other.
PYTHON ?= python3 python3.13 python3.12 python3.11 /usr/bin/python3
# Extras of the image that it is without unless they are asked for: stores, tracing.
EXTRAS ?=
# What the image is called, and what it is built on when not on the Dockerfile's own base.
IMAGE ?= tensorflow-serving-appliance:cpu$(foreach extra,$(EXTRAS),-$(extra))
BASE_IMAGE ?=
# The image for 64-bit ARM.
ARM_IMAGE ?= tensorflow-serving-appliance:cpu-arm64
# What `make devel` makes: cpu-avx2 cpu-avx512 cpu-native gpu-avx2 arm64; `python -m build --help` explains them.
VARIANT ?= cpu-avx2
# Passed on: make test ARGS="-k predict -x"
ARGS ?=
# What `make test` runs, and in how many processes; the tests of one started server stay in one.
TESTS ?= tests/server tests/parity tests/unit tests/soak tests/fuzz tests/foreign tests/faults tests/browser
WORKERS ?= 2
# How many inputs `make fuzz` tries, and for how many seconds at most; 0 is no limit.
FUZZ_INPUTS ?= 10000000
FUZZ_SECONDS ?= 0
# How long `make soak` takes.
SECONDS ?= 600

VENV := .venv
BIN := $(VENV)/bin
# The environment has what serving needs; then what tests, checks and tutorials need as well; then the benchmark's.
SERVING_STAMP := $(VENV)/.installed
STAMP := $(VENV)/.installed-dev
BENCH_STAMP := $(VENV)/.installed-bench
DOCS_STAMP := $(VENV)/.installed-docs

help: ## Print this list
	@echo 'usage: make TARGET [VARIABLE=value ...]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile
	@echo 'variables of serve: MODEL_NAME MODEL_BASE_PATH MODEL_CONFIG_FILE GRPC_PORT REST_PORT FLAGS="--name=value ..."'
	@echo 'of the others: PYTHON (install), ARGS (all tests, bench, bench-smoke, devel, image), TESTS (test),'
	@echo '  WORKERS (all tests but test-image, fuzz), FUZZ_INPUTS FUZZ_SECONDS (fuzz), SECONDS (soak), VARIANT (devel), IMAGE (image, test-image), ARM_IMAGE (test-arm), EXTRAS (image), BASE_IMAGE (devel, image, test-image, test-arm)'

install: $(STAMP) ## Make .venv with everything in it, for tests and tutorials; does nothing when nothing changed

serve: $(SERVING_STAMP) ## Serve two demo models, or yours: MODEL_NAME=name MODEL_BASE_PATH=/dir make serve
	@exec sh examples/demo_models/serve.sh

unit: $(STAMP) ## Run the tests that need no server and no TensorFlow, in half a minute
	$(PYTEST) tests/unit $(ARGS)

test: $(STAMP) ## Run the tests of the server, all but walks through pages; ARGS="-k name" for some of them
	$(PYTEST) $(TESTS) $(ARGS)

walks: $(STAMP) ## Run the README, the examples and a clean clone as their readers would, and the benchmark's own tests
	$(PYTEST) tests/walks tests/bench $(ARGS)

test-all: $(STAMP) ## Run every test that needs no Docker, with all examples of the properties
	TEST_PROFILE=large $(PYTEST) tests/walks tests/bench $(TESTS) $(ARGS)

EMULATED_ARM = $(if $(wildcard /proc/sys/fs/binfmt_misc/qemu-aarch64),test-arm)
test-long: soak faults soak-models soak-drain $(EMULATED_ARM) ## Run what takes long, an hour and a half: soaks, faults, ARM where it is emulated

soak: $(STAMP) ## Mixed load on both APIs for ten minutes, with figures and a plot in .soak; SECONDS=120 for less
	$(BIN)/python -m tests.soak.mixed --seconds=$(SECONDS) $(ARGS)

faults: $(STAMP) ## Do to running servers what goes wrong in production, the long variant; ARGS="-rP" for the figures
	FAULTS=long $(BIN)/python -m pytest tests/faults --timeout=600 $(ARGS)

soak-drain: $(STAMP) ## Stop a thousand servers under load, about an hour; resumable; ARGS="--stops=100 --jobs=4 --folder=DIR"
	$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(STAMP) ## Try ten million inputs on all decoders, under an hour; FUZZ_SECONDS=120 for less; ARGS="--target=NAME --seed=2"
	$(BIN)/python -m tests.fuzz --inputs=$(FUZZ_INPUTS) --seconds=$(FUZZ_SECONDS) --processes=$(WORKERS) $(ARGS)

soak-models: $(STAMP) ## Serve 300 models in memory for 20, some minutes; ARGS="--models=300 --room=20 --requests=4"
	$(BIN)/python -m tests.soak.many_models $(ARGS)

check: $(STAMP) ## Run the linters, the type checker, shellcheck and the test of the import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@for folder in $$(find examples -name '*.py' -exec dirname {} + | sort -u); do \
		echo "mypy $$folder" && $(BIN)/mypy --cache-dir=.mypy_cache/$$folder $$folder/*.py || exit 1; \
	done
	$(BIN)/shellcheck $$(find . -path ./$(VENV) -prune -o -path ./.git -prune -o -type f -name '*.sh' -print) \
		$$(grep -lE '^#!.*[/ ](ba)?sh$$' $$(find build/images .ci -type f ! -name '*.sh' 2>/dev/null) /dev/null)
	$(BIN)/python -m pytest -q tests/unit/test_imports.py

bench: $(BENCH_STAMP) ## Measure against the baselines, about seven minutes, into docs/benchmarks.md; ARGS="--help" for choices
	$(BIN)/python -m tests.bench $(ARGS)

bench-smoke: $(BENCH_STAMP) ## A minute of the same, to see that it works; its figures mean nothing
	$(BIN)/python -m tests.bench --smoke $(ARGS)

screenshots: $(STAMP) ## Take the pictures of the page in docs/images, and measure its first paint; needs Debian's chromium
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

docs: $(STAMP) ## Write docs/flags.md anew from the table of flags, the pictures, states of connections, and docs/http2.md
	$(BIN)/python docs/generate_flags.py
	$(BIN)/python docs/draw_architecture.py
	$(BIN)/python docs/draw_throughput.py
	$(BIN)/python -m tests.server.doors.http2_table

docs-site: $(DOCS_STAMP) ## Make a site with search of docs/ and the tutorials, in .docs-site; fails where a link leads nowhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'Made: .docs-site. To read it: $(BIN)/python -m http.server --bind 127.0.0.1 --directory .docs-site'

dist: $(STAMP) ## Build the wheels of server and client into dist/, and try each in an environment of its own
	@rm -rf dist .dist
	@$(UV) build --quiet --wheel --no-build-isolation --no-create-gitignore --out-dir dist .
	@$(UV) build --quiet --wheel --no-build-isolation --no-create-gitignore --out-dir dist serving/client
	@for name in client server; do \
		case $$name in client) wheels=$$(echo dist/*_client-*.whl) ;; *) wheels=$$(echo dist/*.whl) ;; esac; \
		$(BIN)/python -m venv --without-pip .dist/$$name || exit 1; \
		$(INSTALL_WHEELS) || exit 1; \
	done
	$(BIN)/python -m pytest tests/dist $(ARGS)
	@rm -rf .dist
	@ls -l dist

lock: $(BIN)/uv ## Write the lock files anew from pyproject.toml; UPGRADE=1 takes the newest versions
	@$(COMPILE) --extra openvino --output-file requirements.lock pyproject.toml
	@$(COMPILE) --group pyproject.toml:tracing --constraints requirements.lock --output-file requirements-tracing.lock
	@$(COMPILE) --group pyproject.toml:stores --constraints requirements.lock --constraints requirements-tracing.lock \
		--output-file requirements-stores.lock
	@$(COMPILE) --group dev --constraints requirements.lock --output-file requirements-dev.lock pyproject.toml
	@$(COMPILE) --group pyproject.toml:bench --constraints requirements-dev.lock --output-file requirements-bench.lock
	@$(COMPILE) --group pyproject.toml:docs --constraints requirements-dev.lock --output-file requirements-docs.lock
	@echo "tensorflow-cpu; sys_platform == 'never'" | { $(COMPILE_GPU) --overrides - --group gpu --constraints requirements.lock \
		--output-file requirements-gpu.lock pyproject.toml; }
	@! grep -nE '://|--(find-links|index-url|extra-index-url)' requirements*.lock \
		|| { echo 'error: the lines above name a host or a path; see docs/adr/0014-lock-files-without-hosts.md' >&2; exit 1; }

check-gpu-lock: $(BIN)/uv ## See that the GPU lock resolves, from what the index tells of the packages: nothing is downloaded
	@$(UV) pip install --dry-run $(GPU_PLATFORM) --target $(VENV)/gpu --require-hashes --only-binary :all: -r requirements-gpu.lock

devel: $(STAMP) ## Compile TensorFlow for VARIANT, for hours, and build the image with it; ARGS="--jobs=4" adds options
	@build/images/check-docker.sh
	$(BIN)/python -m build all --variant $(VARIANT) $(if $(BASE_IMAGE),--base-image $(BASE_IMAGE)) \
		--revision "$$(git rev-parse HEAD 2>/dev/null || echo unknown)" --created "$$($(COMMITTED))" $(ARGS)

image: ## Build the runtime image; BASE_IMAGE=name builds on another base, EXTRAS=stores or tracing adds that and to the tag
	@build/images/check-docker.sh
	docker build $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) $(if $(EXTRAS),--build-arg EXTRAS="$(EXTRAS)") \
		--build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" --build-arg CREATED="$$($(COMMITTED))" \
		--tag $(IMAGE) $(ARGS) .

test-image: $(STAMP) ## Build the runtime image and test it running; IMAGE=name tests that image as it is
	@build/images/check-docker.sh
	$(if $(filter file,$(origin IMAGE)),@$(MAKE) --no-print-directory image ARGS=)
	IMAGE=$(IMAGE) $(BIN)/python -m pytest tests/image $(ARGS)

test-arm: $(STAMP) ## Build the image for 64-bit ARM, emulated for an hour elsewhere, and ask it; ARM_IMAGE=name asks that one
	@build/images/check-docker.sh
	$(if $(filter file,$(origin ARM_IMAGE)),docker build --platform linux/arm64 $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
		--tag $(ARM_IMAGE) .)
	ARM_IMAGE=$(ARM_IMAGE) $(BIN)/python -m pytest tests/image/test_arm.py $(ARGS)

# The commit's time and not that of the build: the same source makes the same image.
COMMITTED = TZ=UTC git log --max-count=1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || true
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

# From here on: how the environment is made.

SUITABLE := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
COMPILE_OPTIONS = --generate-hashes --no-emit-index-url --quiet --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)
COMPILE = $(UV) pip compile --universal --python-version 3.11 $(COMPILE_OPTIONS)
# The platform of the image alone, for CUDA's wheels are for no other; without the overrides in pyproject.toml, which leave
# the full wheel of TensorFlow out.
GPU_PLATFORM = --no-config --python-version 3.11 --python-platform x86_64-manylinux_2_28
COMPILE_GPU = $(UV) pip compile $(GPU_PLATFORM) $(COMPILE_OPTIONS)

# uv does not read pip's settings, and without them it would miss a mirror or a proxy's certificate.
UV_SETTINGS = config=$$($(BIN)/python -m pip config list 2>/dev/null || true); \
	set_for_pip() { printf '%s\n' "$$config" | sed -n "s/^global\.$$1='\(.*\)'$$/\1/p"; }; \
	index="$${PIP_INDEX_URL:-$$(set_for_pip index-url)}"; cert="$${PIP_CERT:-$$(set_for_pip cert)}"; \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; \
	[ -z "$$cert" ] || export SSL_CERT_FILE="$${SSL_CERT_FILE:-$$cert}"; \
	export UV_HTTP_TIMEOUT="$${UV_HTTP_TIMEOUT:-180}" VIRTUAL_ENV="$(CURDIR)/$(VENV)"
UV = $(UV_SETTINGS); $(BIN)/uv
# In one line, however many packages there are; then ourselves, for which the backend is that of the lock.
INSTALL = $(UV_SETTINGS); $(BIN)/python -m build.installing --folder $(VENV)
INSTALL_OURSELVES = $(UV) pip install --quiet --no-deps --build-constraints requirements-dev.lock --editable .

# As `pip install dist/*.whl` would, but of the versions that were tested, most of which are in uv's cache.
INSTALL_WHEELS = ( $(UV) pip install --quiet --no-config --python .dist/$$name --constraints requirements-dev.lock $$wheels )

# Takes nothing away: what tests need may be there already.
$(SERVING_STAMP): requirements.lock pyproject.toml | $(BIN)/uv
	@rm -f $@
	@$(BIN)/python -c '$(SUITABLE)' \
		|| { echo 'error: $(VENV) has an unsuitable '"$$($(BIN)/python --version)"'; remove it and try again.' >&2; exit 1; }
	@$(INSTALL) --what 'Installing TensorFlow and OpenVINO (410 MB unless cached)' --megabytes 1700 \
		$(BIN)/uv pip install --require-hashes --requirement requirements.lock
	@$(INSTALL_OURSELVES)
	@touch $@

$(STAMP): requirements-dev.lock $(SERVING_STAMP)
	@rm -f $@
	@$(INSTALL) --what 'Installing the tools of the tests (170 MB unless cached)' --megabytes 550 \
		$(BIN)/uv pip sync --require-hashes requirements-dev.lock
	@$(INSTALL_OURSELVES)
	@touch $@
	@echo "Ready: $(VENV), $$($(BIN)/python --version)"

# Added to what is there; a change of the other lock takes these packages out, and then this puts them back.
$(BENCH_STAMP): requirements-bench.lock $(STAMP)
	@echo 'Installing what only the benchmark needs: Flask and FastAPI.'
	@$(UV) pip install --quiet --require-hashes --requirement requirements-bench.lock
	@touch $@

$(DOCS_STAMP): requirements-docs.lock $(STAMP)
	@echo 'Installing what only the site of the pages needs: MkDocs.'
	@$(UV) pip install --quiet --require-hashes --requirement requirements-docs.lock
	@touch $@

# uv's own version and hashes come from the lock as well.
$(BIN)/uv: $(BIN)/python
	@awk '/^[a-z]/ { keep = /^uv==/ } keep' requirements-dev.lock >$(VENV)/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
		--requirement $(VENV)/uv.lock
	@touch $@

$(BIN)/python:
	@python=$$(sh build/choose-python.sh $(PYTHON)) && exec "$$python" -m venv --clear $(VENV)
