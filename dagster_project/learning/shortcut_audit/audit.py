"""The shortcut audit: perturb non-anatomical cues on test images, and probe the embeddings for scanner and room."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

import numpy as np

from dagster_project.core.atomic_io import write_json
from dagster_project.core.plotting import draw_montage, evenly
from dagster_project.core.progress import track
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images
from dagster_project.learning.ensembling.drift_reference import reference_rows, with_metadata
from dagster_project.learning.ensembling.model import Model, load_model
from dagster_project.learning.evaluation.labelled import LabelledSet, load_labelled_set
from dagster_project.learning.evaluation.metrics import Interval, patient_bootstrap
from dagster_project.learning.shortcut_audit.attribute_probes import AttributeProbe, probe_attributes
from dagster_project.learning.shortcut_audit.effects import Effect
from dagster_project.learning.shortcut_audit.perturbations import perturbations
from dagster_project.learning.shortcut_audit.plots import draw_attribute_probes, draw_effects

log = logging.getLogger("raytruth")
_MOST = 2000
_BLOCK = 256


@dataclass(frozen=True)
class Audit:
    """`accuracy` is measured without perturbation, on at most 2,000 images of the test split."""

    images: int
    accuracy: Interval
    effects: list[Effect]
    attribute_probes: list[AttributeProbe]


def audit_shortcuts(root: Root) -> Audit:
    """Audit `models/ensemble/`; write `models/metrics/shortcut_audit.json` and `models/plots/shortcut_audit/`.

    Raises RayTruthError if there is no ensemble or no training set.
    """
    model, data = load_model(root.paths.ensemble), load_labelled_set(root)
    rows = data.test[evenly(len(data.test), _MOST)]
    labels, patients = data.labels[rows], data.patients(rows)
    predicted = _predict_perturbed(root, model, data, rows)
    before = predicted.pop("")

    def interval(values: np.ndarray) -> Interval:
        return patient_bootstrap(values.astype(float), patients, root.settings.evaluation.bootstrap, root.settings.seed)

    right = (before == labels).astype(float)
    effects = [
        Effect(name, interval(after != before), interval(after == labels), interval((after == labels) - right))
        for name, after in predicted.items()
    ]
    audit = Audit(len(rows), interval(right), effects, _attribute_probes(root, model, data))
    _report(root, audit, data, rows)
    return audit


def _predict_perturbed(root: Root, model: Model, data: LabelledSet, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Predicted class numbers (N,) for each perturbation; the key '' is without perturbation."""
    predicted: dict[str, list[np.ndarray]] = {}
    for start in track(range(0, len(rows), _BLOCK), -(-len(rows) // _BLOCK), "auditing"):
        block = gather_images(
            root.paths, data.table.iloc[rows[start : start + _BLOCK]], root.settings.ingestion.image_size
        )
        perturbed = {"": block} | {
            name: perturb(block) for name, perturb in perturbations(root.settings.seed + start).items()
        }
        for name, images in perturbed.items():
            predicted.setdefault(name, []).append(model.predict(images).probabilities.argmax(axis=1))
    return {name: np.concatenate(parts) for name, parts in predicted.items()}


def _attribute_probes(root: Root, model: Model, data: LabelledSet) -> list[AttributeProbe]:
    """Attribute probes on embeddings of images that no encoder and no probe of the ensemble was trained on."""
    rows = reference_rows(data)
    table = data.table.iloc[rows]
    found = model.predict(gather_images(root.paths, table, root.settings.ingestion.image_size))
    about = with_metadata(root.paths, table[["image_id", "batch", "patient_group"]])
    return probe_attributes(found.embeddings, about, found.probabilities.argmax(axis=1), root.settings.seed)


def _report(root: Root, audit: Audit, data: LabelledSet, rows: np.ndarray) -> None:
    write_json(root.paths.metrics("shortcut_audit"), asdict(audit))
    draw_effects(root.paths.plot("shortcut_audit", "effects"), audit.effects)
    draw_attribute_probes(root.paths.plot("shortcut_audit", "attribute_probes"), audit.attribute_probes)
    _, first = np.unique(data.labels[rows], return_index=True)  # one example each of some regions
    examples = gather_images(root.paths, data.table.iloc[rows[first[:4]]], root.settings.ingestion.image_size)
    shown = {"unchanged": examples} | {n: perturb(examples) for n, perturb in perturbations(root.settings.seed).items()}
    images = np.stack(list(shown.values()), axis=1)  # (examples, perturbations, s, s)
    draw_montage(
        root.paths.plot("shortcut_audit", "examples.png"),
        images.reshape(-1, *images.shape[2:]),
        [name.replace(" parts", "\nparts") for name in shown] * len(examples),
        columns=len(shown),
    )
    worst = min(audit.effects, key=lambda e: e.difference.value)
    log.info(
        "shortcut audit: accuracy %.3f; largest loss by the perturbation %r", audit.accuracy.value, worst.perturbation
    )
