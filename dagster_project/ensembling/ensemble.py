"""The challenger: one calibrated probe an encoder, members chosen on validation, scored once on the test split."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from importlib.metadata import version

import numpy as np
import pandas as pd

from dagster_project.ensembling.calibration import calibrated
from dagster_project.ensembling.candidates import Candidate, fit_candidate, mixture
from dagster_project.ensembling.fractions import evaluate_means
from dagster_project.ensembling.model import Member, Model, save_model
from dagster_project.ensembling.reference import reference_rows, save_reference
from dagster_project.ensembling.selection import select_members
from dagster_project.ensembling.unusual import fit_usual
from dagster_project.evaluation.embeddings import load_embeddings
from dagster_project.evaluation.labelled import LabelledSet, load_labelled_set
from dagster_project.evaluation.linear_evaluation import prediction_table
from dagster_project.evaluation.metrics import Interval, calibration_error, patient_bootstrap, scores
from dagster_project.evaluation.pictures import draw_confusion, draw_label_fractions
from dagster_project.files import content_hash, read_json, replacing_dir, write_json, write_table
from dagster_project.layout import ENCODERS, Layout
from dagster_project.params import Params
from dagster_project.pretraining.backbone import load_backbone

log = logging.getLogger("raytruth")


@dataclass(frozen=True)
class EnsembleSummary:
    """Members with their shares, the test scores with all labels, and accuracy of plain means by share of labels."""

    shares: dict[str, float]
    accuracy: Interval
    test: dict[str, object]
    fractions: dict[str, dict[float, Interval]]


def build_ensemble(layout: Layout, params: Params) -> EnsembleSummary:
    """Choose and calibrate the members on validation, score them once on test, write `models/ensemble/`."""
    data = load_labelled_set(layout, params)
    embeddings = {encoder: load_embeddings(layout, encoder, len(data.table)) for encoder in ENCODERS}
    candidates = {encoder: fit_candidate(x, data, data.train, params) for encoder, x in embeddings.items()}
    shares = select_members(
        {encoder: c.probabilities(data.validation) for encoder, c in candidates.items()},
        data.labels[data.validation],
        most=params.ensembling.max_members,
        min_gain=params.ensembling.min_gain,
    )
    log.info("ensemble: %s", ", ".join(f"{share:.2f} {encoder}" for encoder, share in shares.items()))
    model = _model(layout, params, data, candidates, shares, embeddings)
    on_test = _mix(candidates, shares, data.test)
    fractions, predictions = evaluate_means(embeddings, data, params)
    summary = _score(candidates, shares, on_test, data, params, fractions)
    with replacing_dir(layout.ensemble) as folder:
        card = {
            "training_set": content_hash(layout.training_set),
            "training_pictures": len(data.train),
            "test": summary.test,
            "code_version": version("raytruth"),
        }
        save_model(folder, model, card)
        rows = reference_rows(data)
        of_main = embeddings[model.members[0].encoder][rows]
        save_reference(folder, layout, data, rows, _mix(candidates, shares, rows), of_main)
    _report(layout, summary, data, on_test, predictions)
    return summary


def _mix(candidates: dict[str, Candidate], shares: dict[str, float], rows: np.ndarray) -> np.ndarray:
    return mixture({encoder: candidates[encoder].probabilities(rows) for encoder in shares}, shares)


def _model(
    layout: Layout,
    params: Params,
    data: LabelledSet,
    candidates: dict[str, Candidate],
    shares: dict[str, float],
    embeddings: dict[str, np.ndarray],
) -> Model:
    order = sorted(shares, key=lambda encoder: -shares[encoder])
    members = tuple(
        Member(
            encoder,
            load_backbone(layout.encoder(encoder) / "weights.safetensors", params.learning),
            candidates[encoder].head,
            candidates[encoder].temperature,
            shares[encoder],
        )
        for encoder in order
    )
    main = embeddings[order[0]]
    usual = fit_usual(main[data.train], data.labels[data.train], main[data.validation])
    return Model(data.regions, params.learning, members, usual)


def _score(
    candidates: dict[str, Candidate],
    shares: dict[str, float],
    on_test: np.ndarray,
    data: LabelledSet,
    params: Params,
    fractions: dict[str, dict[float, Interval]],
) -> EnsembleSummary:
    labels = data.labels[data.test]
    right = (on_test.argmax(axis=1) == labels).astype(float)
    accuracy = patient_bootstrap(right, data.patients(data.test), params.evaluation.bootstrap, params.seed)
    raw = mixture({encoder: calibrated(candidates[encoder].logits[data.test], 1.0) for encoder in shares}, shares)
    test = scores(on_test, labels, data.regions) | {"calibration_error_uncalibrated": calibration_error(raw, labels)}
    return EnsembleSummary(shares, accuracy, test, fractions)


def _report(
    layout: Layout, summary: EnsembleSummary, data: LabelledSet, on_test: np.ndarray, predictions: pd.DataFrame
) -> None:
    fractions = {name: {f"{f:g}": asdict(i) for f, i in line.items()} for name, line in summary.fractions.items()}
    accuracy = {"1": asdict(summary.accuracy)}
    write_json(
        layout.metrics("ensemble"), {"shares": summary.shares, **summary.test, "accuracy": accuracy, "means": fractions}
    )
    draw_confusion(
        layout.plot("ensemble", "confusion_ensemble"), data.labels[data.test], on_test.argmax(axis=1), data.regions
    )
    lines = {
        encoder: {float(f): Interval(**interval) for f, interval in found["accuracy"].items()}
        for encoder, found in read_json(layout.metrics("linear_evaluation")).items()
    }
    draw_label_fractions(layout.plot("ensemble", "label_fractions"), lines | summary.fractions)
    own = prediction_table("ensemble", data, 1.0, 0, on_test)
    write_table(layout.test_predictions("ensemble"), pd.concat([own, predictions], ignore_index=True))
