"""Label efficiency: accuracy of several encoders together if probes get only a share of the training labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dagster_project.core.settings.settings import Settings
from dagster_project.learning.ensembling.candidates import fit_candidate, mixture
from dagster_project.learning.ensembling.concatenate_embeddings import concatenate_embeddings, joint_probes
from dagster_project.learning.evaluation.labelled import LabelledSet, draw_fraction
from dagster_project.learning.evaluation.linear_evaluation import prediction_table
from dagster_project.learning.evaluation.metrics import Interval, patient_bootstrap
from dagster_project.learning.pretraining.methods_on import encoders_on, self_supervised_on


def means(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The unweighted means of probes: the encoders of each mean, by name.

    An encoder that sees labels has seen every training label, so only a mean without it is valid for few labels.
    """
    return {"mean_of_all": encoders_on(settings), "mean_of_self_supervised": self_supervised_on(settings)}


def evaluate_together(
    embeddings: Mapping[str, np.ndarray], data: LabelledSet, settings: Settings
) -> tuple[dict[str, dict[float, Interval]], pd.DataFrame]:
    """Test accuracy of means and joint probes by share of labels, and the predictions."""
    labels, patients, section = data.labels[data.test], data.patients(data.test), settings.evaluation
    joint, mean_of = joint_probes(settings), means(settings)
    inputs = dict(embeddings) | {name: concatenate_embeddings(embeddings, among) for name, among in joint.items()}
    hits: dict[str, dict[float, list[np.ndarray]]] = {name: {} for name in (*mean_of, *joint)}
    tables = []
    for fraction in section.fractions:
        for repeat in range(section.repeats if fraction < 1 else 1):
            rows = data.train[draw_fraction(data.labels[data.train], fraction, settings.seed + repeat)]
            each = {name: fit_candidate(x, data, rows, settings).probabilities(data.test) for name, x in inputs.items()}
            together = {name: mixture(each, dict.fromkeys(among, 1 / len(among))) for name, among in mean_of.items()}
            together |= {name: each[name] for name in joint}
            for name, found in together.items():
                hits[name].setdefault(fraction, []).append(found.argmax(axis=1) == labels)
                tables.append(prediction_table(name, data, fraction, repeat, found))
    accuracies = {
        name: {
            fraction: patient_bootstrap(np.mean(right, axis=0), patients, section.bootstrap, settings.seed)
            for fraction, right in by_fraction.items()
        }
        for name, by_fraction in hits.items()
    }
    return accuracies, pd.concat(tables, ignore_index=True)
