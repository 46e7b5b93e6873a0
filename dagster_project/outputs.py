"""Every table that RayTruth writes; as a program, the page docs/outputs.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dagster_project.core import ledger_tables
from dagster_project.core.settings.settings import Settings, load_settings
from dagster_project.core.tables import Table
from dagster_project.intake.ingestion.batch import tables as ingestion
from dagster_project.intake.training_set import tables as training_set
from dagster_project.label_quality.error_causes import tables as error_causes
from dagster_project.label_quality.label_errors import tables as label_errors
from dagster_project.learning.ensembling.drift_reference import DRIFT_REFERENCE
from dagster_project.learning.evaluation import tables as evaluation
from dagster_project.learning.orientation import tables as orientation
from dagster_project.operations.monitoring import tables as monitoring
from dagster_project.operations.monitoring.drift import Drift, DriftTest
from dagster_project.pipeline import Stage, stages

TABLES: tuple[Table, ...] = (
    *ingestion.TABLES,
    *training_set.TABLES,
    *orientation.TABLES,
    *evaluation.TABLES,
    DRIFT_REFERENCE,
    *label_errors.TABLES,
    *error_causes.TABLES,
    *ledger_tables.TABLES,
    *monitoring.TABLES,
)
_HEAD = """# Outputs

Every table that RayTruth writes. `make docs` makes this page from the declarations that the tables are written by.
A test compares the declarations with the tables of a whole run.

All tables are parquet files. Each carries the version of its schema (`raytruth_schema` in the metadata of the file).
`<batch>` stands for the name of a batch. Files in `data/private/` contain identities; no other file does, except
`predictions.parquet`, which is written only where you say.
"""
_OTHER_FILES = (
    (
        "data/pixels/<batch>.npy",
        "uint8 (N, size, size), 0 to 255; one row for each row of the headers; `size` is `ingestion.image_size`",
        ("ingest", "build-training-set, pretrain, evaluate, ensemble, predict"),
    ),
    (
        "data/embeddings/<encoder>.npy",
        "float32 (N, D); one row for each row of the training set",
        ("evaluate", "ensemble, find-errors, worklist"),
    ),
    (
        "data/predictions/<batch>.npy",
        "float16 (N, D), embeddings of the champion; one row for each row of the headers",
        ("predict", "monitor"),
    ),
    (
        "data/drift/<batch>.json",
        "`{fields}`; each of `tests` has `{tests}`",
        ("monitor", "retraining policy, people"),
    ),
    ("data/validation/<batch>.json", "the result of each expectation", ("validate", "build-training-set, people")),
    ("models/metrics/<stage>.json", "metrics, as DVC shows them", ("the stage", "people")),
)


def page(settings: Settings) -> str:
    """The text of docs/outputs.md."""
    listed = stages(settings)
    fields = "`, `".join([*Drift.__dataclass_fields__, "causes", "drifted"])
    tests = "`, `".join([*DriftTest.__dataclass_fields__, "drifted"])
    lines = [_HEAD, *(line for table in TABLES for line in _section(table, listed))]
    lines += ["## Other files\n", "| file | content | written by | read by |", "|---|---|---|---|"]
    for path, content, (writer, readers) in _OTHER_FILES:
        lines.append(f"| `{path}` | {content.format(fields=fields, tests=tests)} | {writer} | {readers} |")
    return "\n".join(lines) + "\n"


def _section(table: Table, listed: tuple[Stage, ...]) -> Iterator[str]:
    written = table.written_by or tuple(s.command.split()[0] for s in listed if table.asset in s.assets)
    readers = table.read_by or tuple(dict.fromkeys(s.command.split()[0] for s in listed if table.asset in s.inputs))
    yield f"## `{table.path}`\n"
    yield f"{table.description[0].upper()}{table.description[1:]}.\n"
    asset = f" (asset `{table.asset}`)" if table.asset else ""
    yield f"Written by {_listed(written)}{asset}. Read by {_listed(readers)}.\n"
    yield "| column | type | unit | range | meaning |"
    yield "|---|---|---|---|---|"
    for column in table.columns:
        yield f"| `{column.name}` | {column.type} | {column.unit} | {column.range} | {column.description} |"
    if table.for_each_region:
        yield f"| each region class | float32 | 0..1 | 0 to 1 | {table.for_each_region} |"
    yield ""


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(word if word.endswith(("page", "people")) else f"`{word}`" for word in words)


if __name__ == "__main__":
    print(page(load_settings(Path("params.yaml"))), end="")  # noqa: T201
