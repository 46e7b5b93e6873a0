"""Drift of a batch against the champion's reference images, by cause, with tests and a page by Evidently.

Causes: `label_mix` (which regions are predicted), `confidence`, `acquisition` (header columns), `embedding` (how well a
classifier separates the embeddings of batch and reference; Lopez-Paz & Oquab 2017, arXiv 1610.06545).
"""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dagster_project.core.atomic_io import replacing, write_json
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Monitoring
from dagster_project.intake.ingestion.batch.store import load_patient_evidence
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.patient_links import person_of
from dagster_project.learning.ensembling.champion_store import champion_folder, champion_hash
from dagster_project.learning.ensembling.drift_reference import METADATA, load_reference, with_metadata
from dagster_project.operations.monitoring.predict import load_predictions

log = logging.getLogger("raytruth")
_RESAMPLES = 200
_FOLDS = 5


@dataclass(frozen=True)
class DriftTest:
    """One comparison: a `value` above `threshold` and `floor` is drift. `floor`: 99th percentile by chance alone."""

    cause: str
    column: str
    method: str
    value: float
    threshold: float
    floor: float

    @property
    def drifted(self) -> bool:
        """Whether the value is above both the threshold and the floor."""
        return self.value > max(self.threshold, self.floor)


@dataclass(frozen=True)
class Drift:
    """Drift of a batch. `note` says why nothing could be compared, otherwise it is empty."""

    batch: str
    model_version: str
    images: int
    reference_images: int
    tests: list[DriftTest]
    note: str

    @property
    def causes(self) -> list[str]:
        """Causes for which a test found drift, sorted."""
        return sorted({test.cause for test in self.tests if test.drifted})


def measure_drift(root: Root, batch: str) -> Drift:
    """Compare a batch with the champion's reference; write `data/drift/<batch>.json` and Evidently's page.

    Predictions in `data/predictions/` are used if they come from the present champion, otherwise they are made again.
    Images that the champion learned from are left out of the batch, and images of the batch out of the reference: a
    model is more confident on images that it has learned, which would look like drift. Linked patients count as one.
    """
    settings = root.settings.monitoring
    predictions = load_predictions(root, batch)
    embeddings = np.load(root.paths.prediction_embeddings(batch)).astype(np.float32)
    fresh = ~predictions["trained_on"].to_numpy(bool)
    table = with_metadata(root.paths, predictions[fresh].assign(batch=batch))
    reference, of_reference = load_reference(champion_folder(root.paths))
    other = (reference["batch"] != batch).to_numpy(bool)
    reference, of_reference = reference[other].reset_index(drop=True), of_reference[other]
    table, reference = with_linked_patients(root.paths, table), with_linked_patients(root.paths, reference)
    note = _why_not(len(table), len(reference), settings)
    tests: list[DriftTest] = []
    if not note:
        tests = _column_tests(table, reference, settings, root.settings.seed)
        tests.append(_embedding_test(embeddings[fresh], of_reference, table, reference, settings, root.settings.seed))
        tests = _with_evidently(root.paths, batch, table, reference, tests)
    drift = Drift(batch, champion_hash(root.paths), len(table), len(reference), tests, note)
    plain = {**asdict(drift), "causes": drift.causes, "drifted": bool(drift.causes)}
    plain["tests"] = [{**asdict(test), "drifted": test.drifted} for test in tests]
    write_json(root.paths.drift(batch), plain)
    log.info("batch %s: %s", batch, note or ("drift: " + ", ".join(drift.causes) if drift.causes else "no drift"))
    return drift


def with_linked_patients(paths: Paths, table: pd.DataFrame) -> pd.DataFrame:
    """`table` with one name in `patient` for all patients that the headers of any batch link."""
    person = person_of(load_patient_evidence(paths))
    return table.assign(patient=table["patient"].map(person).fillna(table["patient"]))


def _why_not(images: int, reference: int, settings: Monitoring) -> str:
    if reference < settings.min_images:
        return f"the champion's reference has {reference} images of other batches; {settings.min_images} are needed"
    if images < settings.min_images:
        return f"the batch has {images} images that the champion did not learn from; {settings.min_images} are needed"
    return ""


def _column_tests(table: pd.DataFrame, reference: pd.DataFrame, settings: Monitoring, seed: int) -> list[DriftTest]:
    """Tests with thresholds and floors. Values are NaN until Evidently computes them."""
    rng = np.random.default_rng(seed)
    wanted = [("label_mix", "region", "jensenshannon", settings.label_mix_drift)]
    wanted += [("confidence", "confidence", "wasserstein", settings.confidence_drift)]
    wanted += [("acquisition", column, "jensenshannon", settings.acquisition_drift) for column in METADATA]
    return [
        DriftTest(cause, column, method, float("nan"), threshold, _floor(reference, column, method, len(table), rng))
        for cause, column, method, threshold in wanted
    ]


def _floor(reference: pd.DataFrame, column: str, method: str, count: int, rng: np.random.Generator) -> float:
    """The 99th percentile of the distance between the reference and patients drawn from it, about `count` images.

    Distances are Evidently's: Jensen-Shannon with natural logarithms, at most 0.83; Wasserstein in standard deviations.
    """
    patients, number = np.unique(reference["patient"].to_numpy(object).astype(str), return_inverse=True)
    share = min(count / len(reference), 1.0)
    values = reference[column].to_numpy() if method == "wasserstein" else pd.factorize(_text(reference[column]))[0]
    found = []
    for _ in range(_RESAMPLES):
        drawn = np.bincount(
            rng.integers(0, len(patients), max(round(share * len(patients)), 1)), minlength=len(patients)
        )
        weight = drawn[number]
        if method == "wasserstein":
            floats = values.astype(float)
            found.append(wasserstein_distance(floats, floats, v_weights=weight) / max(floats.std(), 1e-9))
        else:
            found.append(jensenshannon(np.bincount(values), np.bincount(values, weights=weight)))
    return float(np.quantile(found, 0.99))


def _embedding_test(
    embeddings: np.ndarray,
    of_reference: np.ndarray,
    table: pd.DataFrame,
    reference: pd.DataFrame,
    settings: Monitoring,
    seed: int,
) -> DriftTest:
    """Cross-validated area under the ROC curve, each patient in one fold; 0.5 = batch and reference look the same."""
    x = np.concatenate([of_reference, embeddings])
    y = np.repeat([0, 1], [len(of_reference), len(embeddings)])
    patients = pd.concat([reference["patient"], table["patient"]]).to_numpy(object).astype(str)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300, class_weight="balanced"))
    folds = GroupKFold(_FOLDS, shuffle=True, random_state=seed)
    predicted = cross_val_predict(model, x, y, groups=patients, cv=folds, method="predict_proba")[:, 1]
    area = float(roc_auc_score(y, predicted))
    return DriftTest("embedding", "embedding", "classifier AUC", area, settings.embedding_drift, 0.5)


def _with_evidently(
    paths: Paths, batch: str, table: pd.DataFrame, reference: pd.DataFrame, tests: list[DriftTest]
) -> list[DriftTest]:
    """Let Evidently compare the columns and write its page; returns the tests with its values."""
    os.environ["DO_NOT_TRACK"] = "1"  # no telemetry; read at import
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    columns = {test.column: test for test in tests if test.cause != "embedding"}
    categorical = [c for c in columns if c != "confidence"]
    definition = DataDefinition(categorical_columns=categorical, numerical_columns=["confidence"])

    def dataset(frame: pd.DataFrame) -> Any:
        plain = {c: _text(frame[c]) for c in categorical} | {"confidence": frame["confidence"].astype(float)}
        return Dataset.from_pandas(pd.DataFrame(plain), definition)

    metrics = [ValueDrift(column=c, method=t.method, threshold=max(t.threshold, t.floor)) for c, t in columns.items()]
    snapshot = Report(metrics, include_tests=True).run(dataset(table), dataset(reference))
    page = paths.drift_page(batch)
    with replacing(page) as temporary:
        snapshot.save_html(str(temporary))
    values = {m["config"]["column"]: float(m["value"]) for m in snapshot.dict()["metrics"]}
    return [replace(test, value=values.get(test.column, test.value)) for test in tests]


def _text(column: pd.Series) -> pd.Series:
    return column.astype("string").fillna("(none)").replace("", "(empty)").astype(object)
