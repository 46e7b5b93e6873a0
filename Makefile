# make demo: install, then the whole chain on a synthetic hospital   make ui: Dagster on its results
# make test: install, then everything that CI checks                 make check: the same
PYTHON ?= python3.11

.PHONY: demo ui test check clean

demo: .venv/installed
	.venv/bin/raytruth demo demo

ui: .venv/installed
	.venv/bin/raytruth --root demo ui

test check: .venv/installed
	.venv/bin/pip check
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/pytest

clean:
	rm -rf demo

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
