"""What the mean of all encoders reaches when the probes have only a share of the training labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dagster_project.ensembling.candidates import fit_candidate, mixture
from dagster_project.evaluation.labelled import LabelledSet, draw_fraction
from dagster_project.evaluation.linear_evaluation import prediction_table
from dagster_project.evaluation.metrics import Interval, patient_bootstrap
from dagster_project.layout import ENCODERS, SELF_SUPERVISED
from dagster_project.params import Params

# SupCon's encoder has seen every training label, so only the second mean is honest about having few.
MEANS: dict[str, tuple[str, ...]] = {
    "mean_of_all": ENCODERS,
    "mean_of_self_supervised": SELF_SUPERVISED,
}


def evaluate_means(
    embeddings: Mapping[str, np.ndarray], data: LabelledSet, params: Params
) -> tuple[dict[str, dict[float, Interval]], pd.DataFrame]:
    """Test accuracy of each equally weighted mean by share of labels, and the predictions behind it."""
    labels, patients, settings = data.labels[data.test], data.patients(data.test), params.evaluation
    accuracies: dict[str, dict[float, Interval]] = {name: {} for name in MEANS}
    tables = []
    for fraction in settings.fractions:
        hits: dict[str, list[np.ndarray]] = {name: [] for name in MEANS}
        for repeat in range(settings.repeats if fraction < 1 else 1):
            rows = data.train[draw_fraction(data.labels[data.train], fraction, params.seed + repeat)]
            each = {e: fit_candidate(x, data, rows, params).probabilities(data.test) for e, x in embeddings.items()}
            for name, encoders in MEANS.items():
                mean = mixture(each, dict.fromkeys(encoders, 1 / len(encoders)))
                hits[name].append(mean.argmax(axis=1) == labels)
                tables.append(prediction_table(name, data, fraction, repeat, mean))
        for name, found in hits.items():
            score = np.mean(found, axis=0)
            accuracies[name][fraction] = patient_bootstrap(score, patients, settings.bootstrap, params.seed)
    return accuracies, pd.concat(tables, ignore_index=True)
