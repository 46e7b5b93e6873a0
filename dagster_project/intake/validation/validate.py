"""Run the Great Expectations suite on one batch, save the result, and write Data Docs."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from dagster_project.core.atomic_io import content_hash, read_json, replacing_dir, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.store import ingested_batches, load_headers, open_pixels
from dagster_project.intake.root import Root
from dagster_project.intake.validation.expectations import EXPECTATIONS, Bounds, HeaderExpectation, masked

_SAMPLES = 5


@dataclass(frozen=True)
class CheckResult:
    """The result of one expectation: number of rows, failing rows, a few samples of these, and an error message."""

    name: str
    says: str
    blocking: bool
    passed: bool
    rows: int
    unexpected: int
    samples: list[dict[str, str]]
    message: str


@dataclass(frozen=True)
class Validation:
    """The results of a batch, and the hash of the header table that was checked."""

    batch: str
    headers: str
    checks: list[CheckResult]

    @property
    def blocked_by(self) -> list[str]:
        """Names of the blocking checks that failed."""
        return [check.name for check in self.checks if check.blocking and not check.passed]


def validate(root: Root, batch: str) -> Validation:
    """Validate a batch's header table, and write `data/validation/<batch>.json` and Data Docs.

    Raises RayTruthError if there is no such batch. A failed check is a result, not an error.
    """
    if batch not in ingested_batches(root.paths):
        raise RayTruthError(
            "No such batch", where=f"batch {batch}", do="ingest the batch first: `raytruth ingest SOURCE`"
        )
    bounds = Bounds(
        batch,
        root.taxonomy.regions,
        len(open_pixels(root.paths, batch)),
        root.settings.validation,
        datetime.now(UTC).date(),
    )
    found = _run_suite(root.paths, bounds, masked(load_headers(root.paths, batch)))
    result = Validation(
        batch, content_hash(root.paths.headers(batch)), [_result(e, found[e.name]) for e in EXPECTATIONS]
    )
    write_json(root.paths.validation(batch), asdict(result))
    return result


def load_validation(paths: Paths, batch: str) -> Validation | None:
    """The latest validation of the batch; None if there is none, or if the headers have changed since then."""
    path = paths.validation(batch)
    values = read_json(path) if path.exists() else None
    if values is None or values["headers"] != content_hash(paths.headers(batch)):
        return None
    return Validation(values["batch"], values["headers"], [CheckResult(**check) for check in values["checks"]])


def _run_suite(paths: Paths, bounds: Bounds, headers: pd.DataFrame) -> dict[str, dict[str, Any]]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # no telemetry; read at import
    import great_expectations as gx
    import great_expectations.expectations as kinds
    from great_expectations.checkpoint.actions import UpdateDataDocsAction
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("headers").add_dataframe_asset("headers")
    data = asset.add_batch_definition_whole_dataframe(bounds.batch)
    suite = context.suites.add(
        gx.ExpectationSuite(
            "headers",
            expectations=[
                getattr(kinds, f"Expect{e.kind}")(**e.settings(bounds), notes=e.says, meta={"name": e.name})
                for e in EXPECTATIONS
            ],
        )
    )
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="headers", data=data, suite=suite))
    with replacing_dir(paths.data_docs / bounds.batch) as folder:
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
        index = {"class_name": "DefaultSiteIndexBuilder"}
        site: Any = {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": store}
        context.add_data_docs_site(site_name=bounds.batch, site_config=site)
        docs = UpdateDataDocsAction(name="docs", site_names=[bounds.batch])
        detail = {"result_format": "SUMMARY", "unexpected_index_column_names": ["image_id"]}
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(name="headers", validation_definitions=[definition], actions=[docs], result_format=detail)
        )
        outcome = checkpoint.run(batch_parameters={"dataframe": headers})
    (run,) = outcome.run_results.values()
    results: list[Any] = [result.to_json_dict() for result in run.results]
    return {r["expectation_config"]["meta"]["name"]: r for r in results}


def _result(expectation: HeaderExpectation, found: dict[str, Any]) -> CheckResult:
    detail = found["result"]
    samples = detail.get("partial_unexpected_index_list") or []
    return CheckResult(
        expectation.name,
        expectation.says,
        expectation.blocking,
        bool(found["success"]),
        int(detail.get("element_count", 0)),
        int(detail.get("unexpected_count", 0)),
        [{key: str(value) for key, value in sample.items()} for sample in samples[:_SAMPLES]],
        _message(found),
    )


def _message(found: dict[str, Any]) -> str:
    """The error, or the values found. If a column is missing, GX keys the exceptions by metric."""
    broken = found["exception_info"]
    infos = [broken] if "raised_exception" in broken else list(broken.values())
    messages = [str(info["exception_message"]) for info in infos if info.get("raised_exception")]
    if messages:
        return messages[0]
    seen = found["result"].get("details") or found["result"].get("observed_value", "")
    return "" if found["success"] or seen == "" else f"found: {seen}"
