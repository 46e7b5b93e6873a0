"""The ensemble's scores on the test split, and the files and plots with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from dagster_project.core.atomic_io import read_json, write_json, write_rows
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.learning.encoders.plugged_in_on import plugged_in_on
from dagster_project.learning.ensembling.calibration import calibrated
from dagster_project.learning.ensembling.candidates import Candidate, mixture
from dagster_project.learning.ensembling.plots import draw_reliability, draw_risk_coverage
from dagster_project.learning.ensembling.selective import Answers, Selective, answers, evaluate_selective
from dagster_project.learning.evaluation.labelled import LabelledSet
from dagster_project.learning.evaluation.linear_evaluation import prediction_table
from dagster_project.learning.evaluation.metrics import Interval, calibration_error, patient_bootstrap, scores
from dagster_project.learning.evaluation.plots import draw_confusion, draw_label_fractions
from dagster_project.learning.evaluation.tables import ENSEMBLE_PREDICTIONS
from dagster_project.learning.pretraining.methods_on import trained_methods


@dataclass(frozen=True)
class ClassRecall:
    """Recall of one class on its test images."""

    region: str
    images: int
    recall: Interval


@dataclass(frozen=True)
class GainOfTraining:
    """What the encoders that were trained here add: test accuracy of the best plugged-in `encoder` alone, and `gain`.

    The encoder is the best on validation. `gain` is the accuracy of the ensemble minus `alone`, on the same images.
    """

    encoder: str
    alone: Interval
    gain: Interval


@dataclass(frozen=True)
class EnsembleSummary:
    """Members with their weights, test scores with all labels, and accuracy of combined encoders by share of labels.

    `training` compares with plugged-in encoders; None if there are none, or nothing was trained here.
    """

    weights: dict[str, float]
    accuracy: Interval
    test: dict[str, object]
    classes: list[ClassRecall]
    selective: Selective
    fractions: dict[str, dict[float, Interval]]
    training: GainOfTraining | None


@dataclass(frozen=True)
class EvaluatedPredictions:
    """The predictions behind the scores: test probabilities (T, K), and the answers before and after calibration."""

    probabilities: np.ndarray
    after: Answers
    before: Answers


def evaluate_on_test(
    candidates: Mapping[str, Candidate],
    weights: dict[str, float],
    data: LabelledSet,
    settings: Settings,
    fractions: dict[str, dict[float, Interval]],
) -> tuple[EnsembleSummary, EvaluatedPredictions]:
    """Evaluate the members' weighted mean once on the test split; confidence thresholds come from validation."""
    labels, patients = data.labels[data.test], data.patients(data.test)
    on_test, on_validation = (
        mixture({name: candidates[name].probabilities(rows) for name in weights}, weights)
        for rows in (data.test, data.validation)
    )
    raw = mixture({name: calibrated(candidates[name].logits[data.test], 1.0) for name in weights}, weights)
    after, before = answers(on_test, labels, patients), answers(raw, labels, patients)
    on_validation_answers = answers(on_validation, data.labels[data.validation], data.patients(data.validation))
    accuracy = patient_bootstrap(after.right, patients, settings.evaluation.bootstrap, settings.seed)
    test = scores(on_test, labels, data.regions) | {"calibration_error_uncalibrated": calibration_error(raw, labels)}
    classes = [
        ClassRecall(
            data.regions[k],
            int(own.sum()),
            patient_bootstrap(after.right[own], patients[own], settings.evaluation.bootstrap, settings.seed),
        )
        for k in np.unique(labels)
        for own in [labels == k]
    ]
    selective = evaluate_selective(on_validation_answers, after, settings)
    training = _gain_of_training(candidates, after.right, data, settings)
    return EnsembleSummary(weights, accuracy, test, classes, selective, fractions, training), EvaluatedPredictions(
        on_test, after, before
    )


def _gain_of_training(
    candidates: Mapping[str, Candidate], right: np.ndarray, data: LabelledSet, settings: Settings
) -> GainOfTraining | None:
    """`right` (T,): whether the ensemble is right on each test image."""
    plugged_in = {name: candidates[name] for name in plugged_in_on(settings)}
    if not plugged_in or not trained_methods(settings):
        return None
    of_validation = data.labels[data.validation]
    best = min(
        plugged_in,
        key=lambda name: log_loss(
            of_validation, plugged_in[name].probabilities(data.validation), labels=np.arange(len(data.regions))
        ),
    )
    alone = plugged_in[best].probabilities(data.test).argmax(axis=1) == data.labels[data.test]
    intervals = [
        patient_bootstrap(values, data.patients(data.test), settings.evaluation.bootstrap, settings.seed)
        for values in (alone.astype(float), right.astype(float) - alone)
    ]
    return GainOfTraining(best, *intervals)


def report(
    paths: Paths,
    summary: EnsembleSummary,
    data: LabelledSet,
    evaluated: EvaluatedPredictions,
    predictions: pd.DataFrame,
) -> None:
    """Write the metrics, the images and the test predictions; `predictions` are those of the combined encoders."""
    write_json(
        paths.metrics("ensemble"),
        {
            "weights": summary.weights,
            **summary.test,
            "accuracy": {"1": asdict(summary.accuracy)},
            "together": {name: _by_share(line) for name, line in summary.fractions.items()},
            "accuracy_at_coverage": _by_share(summary.selective.accuracy),
            "training": summary.training and asdict(summary.training),
            "auto_label": {f"{a.wanted:g}": asdict(a) for a in summary.selective.auto_label},
        },
    )
    predicted = evaluated.probabilities.argmax(axis=1)
    draw_confusion(paths.plot("ensemble", "confusion_ensemble"), data.labels[data.test], predicted, data.regions)
    lines = {
        encoder: {float(f): Interval(**interval) for f, interval in found["accuracy"].items()}
        for encoder, found in read_json(paths.metrics("linear_evaluation")).items()
    }
    draw_label_fractions(paths.plot("ensemble", "label_fractions"), lines | summary.fractions)
    draw_risk_coverage(paths.plot("ensemble", "risk_coverage"), evaluated.after, summary.selective.auto_label)
    draw_reliability(
        paths.plot("ensemble", "reliability"), {"uncalibrated": evaluated.before, "calibrated": evaluated.after}
    )
    own = prediction_table("ensemble", data, 1.0, 0, evaluated.probabilities)
    write_rows(paths.test_predictions("ensemble"), pd.concat([own, predictions]), ENSEMBLE_PREDICTIONS)


def _by_share(line: Mapping[float, Interval]) -> dict[str, dict[str, float]]:
    return {f"{share:g}": asdict(interval) for share, interval in line.items()}
