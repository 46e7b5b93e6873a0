"""Train one encoder with changed settings and evaluate it on the validation split: each run is a row of the table.

    python -m benchmarks.learning.ablation SITE --method supcon [--set batch_size=64] [--set KEY=VALUE …] [--seeds 1 2]

SITE is a root with a training set. Keys are those of the profile in use, such as `batch_size` or
`methods.supcon.epochs`. Accuracy and log loss are those of a linear probe against the given labels, wrong labels
included, on validation patients: settings are chosen here, and never on the test split or a truth file. Intervals
resample patients.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from sklearn.metrics import log_loss

from benchmarks.results import arguments, save
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Profile, Settings, load_settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images
from dagster_project.learning.encoders.embed import embed
from dagster_project.learning.encoders.test_time_augmentation import larger_view_size
from dagster_project.learning.evaluation.labelled import LabelledSet, draw_fraction, load_labelled_set
from dagster_project.learning.evaluation.linear_head import choose_linear_head
from dagster_project.learning.evaluation.metrics import patient_bootstrap
from dagster_project.learning.pretraining.methods import METHODS
from dagster_project.learning.pretraining.methods_on import method_settings
from dagster_project.learning.pretraining.plan import SOURCE_MARGIN
from dagster_project.learning.pretraining.train import Run, train_encoder

_REPEATS = 3  # random draws of a share of the labels


def changed(profile: Profile, changes: list[str]) -> Profile:
    """The profile with `key=value` changes, dots leading into a section. Raises KeyError for an unknown key."""
    settings = profile.model_dump()
    for change in changes:
        key, value = change.split("=", 1)
        *path, last = key.split(".")
        section = settings
        for name in path:
            section = section[name]
        if last not in section:
            raise KeyError(key)
        section[last] = yaml.safe_load(value)
    return Profile.model_validate(settings)


def measure(root: Root, method: str, changes: list[str], seed: int) -> dict[str, object]:
    """One row: the changes, the probe's validation scores with 10 % and 100 % of the labels, seconds of training."""
    profile, data = changed(root.settings.learning, changes), load_labelled_set(root)
    rows = data.table[(data.table["split"] == "train") & (data.table["exclusion"] == "")]
    labels = data.labels[rows.index] if METHODS[method].sees_labels else np.full(len(rows), -1)
    images = gather_images(root.paths, rows, round(profile.input_size * SOURCE_MARGIN))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(method, method, method_settings(profile, method).epochs, seed, images, labels)
        backbone, curve = train_encoder(run, profile, Path(folder))
    seconds = time.perf_counter() - started
    embeddings = embed(backbone, gather_images(root.paths, data.table, larger_view_size(profile)), profile)
    row: dict[str, object] = {"method": method, "change": " ".join(changes) or "none", "seed": seed}
    row |= {"seconds": round(seconds), "loss": curve[-1]}
    for fraction in (0.1, 1.0):
        row |= validation_scores(embeddings, data, fraction, root.settings)
    return row


def validation_scores(
    embeddings: np.ndarray, data: LabelledSet, fraction: float, settings: Settings
) -> dict[str, float]:
    """Accuracy with its interval and log loss of probes fitted on a share of the training labels."""
    labels, right, losses = data.labels[data.validation], [], []
    for repeat in range(_REPEATS if fraction < 1 else 1):
        rows = data.train[draw_fraction(data.labels[data.train], fraction, settings.seed + repeat)]
        train, validation = (embeddings[rows], data.labels[rows]), (embeddings[data.validation], labels)
        head, _ = choose_linear_head(train, validation, len(data.regions), settings.evaluation.inverse_regularisation)
        found = head.probabilities(validation[0])
        right.append(found.argmax(axis=1) == labels)
        losses.append(log_loss(labels, found, labels=np.arange(len(data.regions))))
    score = np.mean(right, axis=0)
    i = patient_bootstrap(score, data.patients(data.validation), settings.evaluation.bootstrap, settings.seed)
    named = {"accuracy": i.value, "low": i.low, "high": i.high, "log_loss": float(np.mean(losses))}
    return {f"{name}_{fraction:g}": value for name, value in named.items()}


def main() -> None:
    """Train, evaluate, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--method", choices=tuple(METHODS), required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    args = parser.parse_args()
    paths = Paths(args.site.resolve())
    settings = load_settings(paths.settings)
    table = pd.DataFrame([measure(Root(paths, settings), args.method, args.set, seed) for seed in args.seeds])
    name = "_".join(["ablation", args.method, *args.set]).replace("=", "-")
    save(table, name, args.out)


if __name__ == "__main__":
    main()
