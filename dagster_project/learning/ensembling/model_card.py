"""The model card, written with the model: intended use, training data, results, limits."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dagster_project.core.atomic_io import content_hash
from dagster_project.intake.root import Root
from dagster_project.learning.ensembling.model import Model
from dagster_project.learning.ensembling.test_evaluation import EnsembleSummary
from dagster_project.learning.evaluation.labelled import LabelledSet
from dagster_project.learning.evaluation.metrics import Interval


def model_card(root: Root, data: LabelledSet, model: Model, summary: EnsembleSummary) -> str:
    """The card as Markdown; the same model gives the same text. Mitchell et al. 2019, arXiv 1810.03993."""
    learned = {data.regions[k] for k in np.unique(data.labels[data.train])}
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md.j2").render(
        model=model,
        summary=summary,
        data=data,
        settings=root.settings,
        encoders=" or ".join(dict.fromkeys(encoder.about for encoder in model.encoders.values())),
        regions=model.regions,
        learned=learned,
        never=[region for region in model.regions if region not in learned],
        saw_labels=[name for name, encoder in model.encoders.items() if encoder.card["labels_seen"]],
        patients={name: len(np.unique(data.patients(rows))) for name, rows in splits.items()},
        reviewed=int(data.table["reviewed"].iloc[np.concatenate(list(splits.values()))].sum()),
        sha256=content_hash(root.paths.training_set),
        md5=hashlib.md5(root.paths.training_set.read_bytes(), usedforsecurity=False).hexdigest(),
        code_version=version("raytruth"),
        number=_number,
        span=_span,
    )


def _number(value: float) -> str:
    return f"{value:.4f}"


def _span(interval: Interval) -> str:
    return f"{interval.low:.4f} to {interval.high:.4f}"
