# A fresh machine needs Python >= 3.11 and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install quickstart test test-browser test-all coverage lint types docs lock clean

help:
	@echo "make quickstart   train on the virtual herbarium, print a result table and the path of a report"
	@echo "make test         lint, types and tests"
	@echo "make test-browser   the search page in a real browser; a part of make test where Chromium is found"
	@echo "make test-all     the same with the slow tests (minutes each) and the share of code that tests run, at least 90 %"
	@echo "make docs         the site of docs/, strictly, in build/site"
	@echo "make lock         pin the newest versions that pyproject.toml allows"

install: $(STAMP)

# Exact versions with hashes; uv is brought along if the machine has none.
$(STAMP): requirements.lock pyproject.toml
	@command -v uv >/dev/null 2>&1 || $(PYTHON) -m uv --version >/dev/null 2>&1 || $(PYTHON) -m pip install --quiet uv \
		|| $(PYTHON) -m pip install --quiet --user --break-system-packages uv
	@UV="$$(command -v uv || echo '$(PYTHON) -m uv')"; \
	test -x $(BIN)/python || $$UV venv --quiet --python $(PYTHON) $(VENV); \
	export VIRTUAL_ENV="$(abspath $(VENV))"; \
	$$UV pip sync --quiet --require-hashes requirements.lock && $$UV pip install --quiet --no-deps -e .
	@touch $(STAMP)

quickstart: install
	$(BIN)/python train.py experiment=quickstart run_dir=runs/quickstart resume=auto

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

FAST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not slow and not browser" -n 2 --dist loadfile

test: lint types
	$(FAST)
	@$(MAKE) --no-print-directory test-browser

# A third more time than the tests alone; the least share stands in pyproject.toml.
coverage: install
	$(FAST) --cov --cov-report=term

test-browser: install
	@if command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable; \
	then OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -rs -m browser tests/browser; \
	else echo "The search page was NOT tried in a browser: no Chromium was found (apt-get install chromium)."; fi

test-all: lint types coverage test-browser
	$(BIN)/python -m pytest -q -m slow

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock:
	uv pip compile pyproject.toml --extra dev --extra lite --extra lora --extra hdf5 --extra huggingface --extra joblib --extra slurm --extra optuna --extra energy --extra docs --extra onnx --extra umap --extra serve --extra faiss --extra organs --python-version 3.11 --universal --generate-hashes \
		--no-emit-index-url --upgrade --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
