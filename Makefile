# The few commands a newcomer needs; the work is done by CMake's presets and the scripts in tools/.

MODEL   ?= models/demo-25m-exl3-4.0bpw
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
PROGRAM := build/release/trellis

.PHONY: help run test test-clients build cuda setup format check clean
.DEFAULT_GOAL := help

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## install what is missing, build, chat with the bundled model
	@$(PROGRAM) chat -m $(MODEL)

build: configure ## build build/release/trellis
	@cmake --build --preset release --parallel $(JOBS) --target trellis
	@echo "make: $(PROGRAM) is ready"

cuda: ## build build/cuda/trellis, for NVIDIA GPUs too; TRELLIS_CUDA_ARCHS=90a builds one kind
	@tools/setup.sh python3
	@tools/setup_cuda.sh
	@cmake --preset cuda --log-level=WARNING
	@cmake --build --preset cuda --parallel $(JOBS) --target trellis
	@echo "make: build/cuda/trellis is ready"

test: configure ## install what is missing, build everything, run every test
	@cmake --build --preset release --parallel $(JOBS)
	@ctest --preset release --parallel $(JOBS) \
	  && echo "make test: all tests passed" \
	  || { echo "make test: FAILED, see above" >&2; exit 1; }

test-clients: ## install clients of others, a browser among them, build, run the tests with them
	@tools/setup.sh chromium:chromium node:nodejs npm:npm python3:python3 python3-venv curl:curl
	@npm ci --prefix tests/clients --ignore-scripts --no-audit --no-fund --loglevel=error
	@python3 -m venv build/clients-python
	@build/clients-python/bin/python -m pip install -q --disable-pip-version-check \
	  -r tests/clients/python/requirements.txt
	@cmake --preset release --log-level=WARNING -DTRELLIS_CLIENT_TESTS=ON
	@cmake --build --preset release --parallel $(JOBS) --target trellis
	@ctest --preset release -L clients --parallel $(JOBS) \
	  && echo "make test-clients: all tests passed" \
	  || { echo "make test-clients: FAILED, see above" >&2; exit 1; }

setup: ## install the system packages and the toolchain that are missing
	@tools/setup.sh

# Configured every time, in a second or two, so that TRELLIS_TEST_DATA counts as it is set now.
.PHONY: configure
configure: setup
	@cmake --preset release --log-level=WARNING

format: ## format the C++ sources in place
	@tools/check_format.sh --fix

check: ## the format check and the layer check
	@tools/setup.sh clang-format-19 python3
	@tools/check_format.sh
	@python3 tools/check_layers.py

clean: ## remove everything that was built
	@rm -rf build rust/target
