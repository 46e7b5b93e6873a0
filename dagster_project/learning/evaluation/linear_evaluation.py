"""Linear evaluation: accuracy of a linear probe and of nearest neighbours on each encoder's embeddings."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from dagster_project.core.atomic_io import write_json, write_rows
from dagster_project.core.settings.settings import Evaluation, Settings
from dagster_project.intake.root import Root
from dagster_project.learning.evaluation.embeddings import embed_training_set
from dagster_project.learning.evaluation.labelled import LabelledSet, draw_fraction, load_labelled_set
from dagster_project.learning.evaluation.linear_head import LinearHead, choose_linear_head
from dagster_project.learning.evaluation.metrics import Interval, patient_bootstrap, scores
from dagster_project.learning.evaluation.plots import draw_confusion, draw_embedding_map, draw_label_fractions
from dagster_project.learning.evaluation.tables import PROBE_PREDICTIONS
from dagster_project.learning.pretraining.methods_on import encoders_on

log = logging.getLogger("raytruth")


@dataclass(frozen=True)
class Prediction:
    """Predictions of one probe, trained on one share of the labels, for the test images: probabilities (T, K)."""

    fraction: float
    repeat: int
    probabilities: np.ndarray
    validation_accuracy: float
    inverse_regularisation: float


@dataclass(frozen=True)
class EncoderEvaluation:
    """One encoder's scores on the test split. `fractions` maps a share of labels to the accuracy's interval."""

    encoder: str
    fractions: dict[float, Interval]
    neighbours: Interval
    full: dict[str, object]
    validation_accuracy: float
    inverse_regularisation: float


def evaluate(root: Root) -> list[EncoderEvaluation]:
    """Evaluate every encoder; write embeddings, `models/metrics/linear_evaluation.json`, test predictions and plots.

    Probes are fitted on the training split, and their inverse regularisation is chosen on validation. Scores are on the
    test split, against the given labels (wrong labels included).
    """
    data = load_labelled_set(root)
    results, tables = [], []
    for encoder in encoders_on(root.settings):
        embeddings = embed_training_set(root, encoder)
        predictions = [p for f in root.settings.evaluation.fractions for p in probe(embeddings, data, f, root.settings)]
        results.append(_evaluate_encoder(encoder, embeddings, data, predictions, root.settings))
        tables += [prediction_table(encoder, data, p.fraction, p.repeat, p.probabilities) for p in predictions]
        full = max(predictions, key=lambda p: p.fraction)
        predicted = full.probabilities.argmax(axis=1)
        draw_confusion(
            root.paths.plot("linear_evaluation", f"confusion_{encoder}"),
            data.labels[data.test],
            predicted,
            data.regions,
        )
        rows = np.concatenate([data.validation, data.test])
        draw_embedding_map(
            root.paths.plot("linear_evaluation", f"embedding_map_{encoder}.png"),
            embeddings[rows],
            data.labels[rows],
            data.regions,
        )
        accuracy = results[-1].fractions[full.fraction].value
        log.info("%s: test accuracy %.3f with %g %% of the labels", encoder, accuracy, 100 * full.fraction)
    write_rows(root.paths.test_predictions("linear_evaluation"), pd.concat(tables), PROBE_PREDICTIONS)
    draw_label_fractions(
        root.paths.plot("linear_evaluation", "label_fractions"), {r.encoder: r.fractions for r in results}
    )
    write_json(root.paths.metrics("linear_evaluation"), {r.encoder: _plain(r) for r in results})
    return results


def probe(embeddings: np.ndarray, data: LabelledSet, fraction: float, settings: Settings) -> list[Prediction]:
    """Fit probes on a stratified `fraction` of the training labels, drawn `repeats` times (once for all labels)."""
    section = settings.evaluation
    validation = embeddings[data.validation], data.labels[data.validation]
    found = []
    for repeat in range(section.repeats if fraction < 1 else 1):
        rows = data.train[draw_fraction(data.labels[data.train], fraction, settings.seed + repeat)]
        train = embeddings[rows], data.labels[rows]
        head, inverse_regularisation = choose_linear_head(
            train, validation, len(data.regions), section.inverse_regularisation
        )
        found.append(_prediction(head, inverse_regularisation, fraction, repeat, embeddings, data))
    return found


def _prediction(
    head: LinearHead,
    inverse_regularisation: float,
    fraction: float,
    repeat: int,
    embeddings: np.ndarray,
    data: LabelledSet,
) -> Prediction:
    on_validation = head.probabilities(embeddings[data.validation]).argmax(axis=1)
    accuracy = float((on_validation == data.labels[data.validation]).mean())
    return Prediction(fraction, repeat, head.probabilities(embeddings[data.test]), accuracy, inverse_regularisation)


def _evaluate_encoder(
    encoder: str, embeddings: np.ndarray, data: LabelledSet, predictions: list[Prediction], settings: Settings
) -> EncoderEvaluation:
    labels, patients, section = data.labels[data.test], data.patients(data.test), settings.evaluation
    fractions = {}
    for fraction in section.fractions:
        right = [p.probabilities.argmax(axis=1) == labels for p in predictions if p.fraction == fraction]
        fractions[fraction] = patient_bootstrap(np.mean(right, axis=0), patients, section.bootstrap, settings.seed)
    near = nearest_neighbours(embeddings, data, section)
    full = max(predictions, key=lambda p: p.fraction)
    return EncoderEvaluation(
        encoder,
        fractions,
        patient_bootstrap((near == labels).astype(float), patients, section.bootstrap, settings.seed),
        scores(full.probabilities, labels, data.regions),
        full.validation_accuracy,
        full.inverse_regularisation,
    )


def nearest_neighbours(embeddings: np.ndarray, data: LabelledSet, settings: Evaluation) -> np.ndarray:
    """Class of each test image by a distance-weighted vote of its nearest training images (cosine); int (T,)."""
    count = min(settings.neighbours, len(data.train))
    # For vectors of length 1 the squared distance is twice the cosine distance, and is computed faster.
    model = KNeighborsClassifier(count, algorithm="brute", weights=lambda distance: 1 / (distance**2).clip(1e-12))
    unit = normalize(embeddings)
    return model.fit(unit[data.train], data.labels[data.train]).predict(unit[data.test])


def prediction_table(
    model: str, data: LabelledSet, fraction: float, repeat: int, probabilities: np.ndarray
) -> pd.DataFrame:
    """One row per test image: the prediction of `model`, given a share of the labels in draw number `repeat`."""
    return pd.DataFrame(
        {
            "image_id": data.image_ids(data.test),
            "model": model,
            "fraction": fraction,
            "repeat": repeat,
            "region": np.array(data.regions, dtype=object)[probabilities.argmax(axis=1)],
            "confidence": probabilities.max(axis=1).astype(np.float32),
        }
    )


def _plain(result: EncoderEvaluation) -> dict[str, object]:
    return {
        **result.full,
        "accuracy": {f"{fraction:g}": asdict(interval) for fraction, interval in result.fractions.items()},
        "nearest_neighbours": asdict(result.neighbours),
        "validation_accuracy": result.validation_accuracy,
        "inverse_regularisation": result.inverse_regularisation,
    }
