# Each target makes .venv and installs what it needs by itself. `make demo` and `make test` are the two a newcomer needs.
PYTHON ?= python3
TORCH ?= torch==2.13.0
COMFYUI_PATH ?= $(HOME)/ComfyUI

BIN := .venv/bin
# Without byte-compiling everything beforehand, installing takes half the time; Python compiles what it imports.
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --no-compile
# uv picks PyTorch's build for this machine: CUDA's, or without a GPU the small one. Where it has no way out, pip does it.
UV_TORCH := $(BIN)/uv pip install --quiet --python $(BIN)/python --torch-backend auto $(TORCH)
# Optional packages that the tests use. Their pins would replace torch, numpy and Pillow, and what they really need is there.
WITHOUT_DEPENDENCIES := facenet-pytorch rapidocr onnxruntime opencv-python-headless pyclipper shapely omegaconf six colorlog
WEB_TESTS := $(wildcard tests/web/*.test.mjs)

.PHONY: demo test lint test-comfyui clean

demo: .venv/.for-cli
	$(BIN)/python -m trainer demo

test: lint
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile
	$(if $(WEB_TESTS),node --test $(WEB_TESTS))

lint: .venv/.for-test
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy

test-comfyui: .venv/.for-rig
	COMFYUI_PATH="$(COMFYUI_PATH)" $(BIN)/python -m pytest -m "comfyui or browser"

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache

.venv/.torch:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --upgrade pip uv
	$(UV_TORCH) || $(PIP) $(TORCH)
	touch $@

.venv/.for-cli: .venv/.torch pyproject.toml
	$(PIP) -r requirements.txt --group cli
	touch $@

.venv/.for-test: .venv/.torch pyproject.toml
	$(PIP) -r requirements.txt --group test
	$(PIP) --no-deps $(WITHOUT_DEPENDENCIES)
	touch .venv/.for-cli $@

.venv/.for-rig: .venv/.torch pyproject.toml
	$(PIP) -r requirements.txt --group rig
	$(PIP) --no-deps $(WITHOUT_DEPENDENCIES)
	touch .venv/.for-cli .venv/.for-test $@
