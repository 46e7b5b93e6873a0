# make demo: install, then the whole chain on a synthetic hospital   make ui: Dagster on its results
# make test: install, then everything that CI checks                 make check: the same
# make quick: the linters, and one case of each fast test   make docs: write the pages that are made from the code
PYTHON ?= python3.11
# Set, as it is in many containers, each of the tests' hundreds of processes would compile this project again.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo ui lint test check quick docs clean

demo: .venv/installed
	.venv/bin/raytruth demo demo

ui: .venv/installed
	.venv/bin/raytruth --root demo ui

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/typos

test check: lint .venv/transformers
	.venv/bin/pip check
	PATH="$$PATH:/usr/sbin" OMP_NUM_THREADS=1 .venv/bin/pytest --numprocesses 4 --dist worksteal

quick: lint
	OMP_NUM_THREADS=1 .venv/bin/pytest --quick --quiet --numprocesses 2

docs: .venv/installed
	.venv/bin/typer dagster_project.cli.main utils docs --name raytruth --title "Command line" --output docs/cli.md
	.venv/bin/python -m dagster_project.intake.ingestion.headers.reasons > docs/reasons.md
	.venv/bin/python -m dagster_project.outputs > docs/outputs.md

clean:
	rm -rf demo

# For the test of docs/export_transformer.py. Apart, since Lightning and MONAI import it wherever they find it, which takes
# each process two seconds.
.venv/transformers: .venv/installed constraints.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps --upgrade --target $@ \
		transformers huggingface_hub hf-xet tokenizers
	touch $@

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
