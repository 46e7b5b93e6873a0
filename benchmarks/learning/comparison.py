"""One table that compares the pipeline's encoders and ensemble with other methods, on the same split and labels.

    python -m benchmarks.learning.comparison SITE EXPORT/truth.csv [--draws 2] [--without monai]

SITE is a root with a finished `raytruth ensemble`. Other methods: HOG with logistic regression, the same network
trained from scratch on the labels, and SimCLR with MONAI's transforms and contrastive loss (`peers.py`). All learn from
the given labels, wrong labels included. The truth file (see `real_export.py`) is only used for the evaluation, on the
in-domain test images. If an image truly shows two regions, both are right.

Accuracy with fewer than all labels is the mean over the first `--draws` draws. Intervals (95 %) resample patients.
McNemar's exact test (1947; two-sided binomial on the images that only one of two models gets right) uses the first
draw. The best single encoder has the highest accuracy on validation. With few labels only models with an encoder that
saw no further label compete. `encoder_saw` marks the other models, which are shown without this comparison.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from benchmarks.learning.peers import of_hog, of_monai, of_supervised
from benchmarks.real_export import joined
from benchmarks.results import arguments, save
from dagster_project.core.atomic_io import read_json
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import load_settings
from dagster_project.intake.root import Root
from dagster_project.learning.evaluation.labelled import load_labelled_set
from dagster_project.learning.evaluation.metrics import patient_bootstrap
from dagster_project.learning.pretraining.methods import METHODS
from dagster_project.learning.pretraining.methods_on import encoders_on

PEERS = {"hog": of_hog, "monai": of_monai, "supervised": of_supervised}
MODELS = {"hog": "hog", "monai": "monai_simclr", "supervised": "supervised"}
ENSEMBLES = ("ensemble", "joint_probe_self_supervised")  # the first that has seen no more labels than the share
UNLABELLED = tuple(method.encoder for method in METHODS.values() if not method.sees_labels)
SAW_NONE = (*MODELS.values(), *UNLABELLED, "mean_of_self_supervised", "joint_probe_self_supervised")


def predictions(root: Root, peers: list[str], draws: int) -> pd.DataFrame:
    """Predictions of every model for each test image: the pipeline's as written, the peers' trained here."""
    few = root.settings.model_copy(
        update={"evaluation": root.settings.evaluation.model_copy(update={"repeats": draws})}
    )
    own = [pd.read_parquet(root.paths.test_predictions(stage)) for stage in ("linear_evaluation", "ensemble")]
    data = load_labelled_set(root)
    for peer in peers:
        started = time.perf_counter()
        own.append(PEERS[peer](Root(root.paths, few), data))
        print(f"{peer}: {time.perf_counter() - started:.0f} s", flush=True)
    table = pd.concat(own, ignore_index=True)
    return table[table["repeat"] < draws]


def scored(predicted: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """The predictions of in-domain images with `right` and the `patient_group`."""
    true = truth.loc[truth["role"] != "out_of_domain", ["image_id", "patient_group", "region", "second_region"]]
    merged = predicted.merge(true, on="image_id", suffixes=("_predicted", ""))
    right = (merged["region_predicted"] == merged["region"]) | (merged["region_predicted"] == merged["second_region"])
    return merged.assign(right=right.astype(float))


def compare(scores: pd.DataFrame, best_first: list[str], resamples: int, seed: int) -> pd.DataFrame:
    """One row per share of labels and model, best first; `best_first` are the encoders by accuracy on validation.

    `only_ensemble` and `only_it` count images that only one of the two gets right, `p_ensemble` is McNemar's p. The
    other columns compare with the best single encoder in the same way.
    """
    rows = []
    for fraction, part in sorted(scores.groupby("fraction"), reverse=True):
        patients = part.groupby("image_id")["patient_group"].first()
        mean = part.pivot_table(index="image_id", columns="model", values="right", aggfunc="mean")
        first = part[part["repeat"] == 0].pivot(index="image_id", columns="model", values="right").astype(bool)
        compete = [m for m in mean.columns if fraction == 1 or m in SAW_NONE]
        against = {
            "ensemble": next(m for m in ENSEMBLES if m in compete),
            "best_single": next(m for m in best_first if m in compete),
        }
        for model in mean.columns:
            groups = patients[mean.index].to_numpy(object).astype(str)
            interval = patient_bootstrap(mean[model].to_numpy(), groups, resamples, seed)
            row = {
                "labels": f"{fraction:.0%}",
                "model": model,
                "encoder_saw": "no further labels" if model in compete else "all labels",
                "images": len(mean),
                "accuracy": interval.value,
                "low": interval.low,
                "high": interval.high,
            }
            for name, other in against.items():
                row[name] = other
                if model in compete and model != other:
                    only_other, only_it = mcnemar_counts(first[other], first[model])
                    row |= {f"only_{name}": only_other, f"only_it_not_{name}": only_it}
                    row[f"p_{name}"] = mcnemar(only_other, only_it)
            rows.append(row)
    order = ["fraction", "accuracy"]
    table = pd.DataFrame(rows).assign(fraction=lambda t: t["labels"].str.rstrip("%").astype(float))
    return table.sort_values(order, ascending=False, ignore_index=True).drop(columns="fraction")


def mcnemar_counts(one: pd.Series, other: pd.Series) -> tuple[int, int]:
    """Images that only `one`, and that only `other`, gets right."""
    return int((one & ~other).sum()), int((other & ~one).sum())


def mcnemar(only_one: int, only_other: int) -> float:
    """Two-sided exact p of two models being right equally often. McNemar 1947, doi 10.1007/BF02295996."""
    return binomtest(only_one, only_one + only_other).pvalue if only_one + only_other else 1.0


def as_markdown(table: pd.DataFrame) -> str:
    """The table for people: accuracy in per cent with its interval, McNemar's p against both references."""
    percent = 100 * table[["accuracy", "low", "high"]]
    plain = pd.DataFrame(
        {
            "labels": table["labels"],
            "model": table["model"],
            "encoder saw": table["encoder_saw"],
            "accuracy, % (95 %)": [f"{a:.1f} ({low:.1f} to {high:.1f})" for a, low, high in percent.to_numpy()],
        }
    )
    for name in ("ensemble", "best_single"):
        own = [
            "" if np.isnan(p) else f"{only:.0f} : {it:.0f}, p = {p:.2g}"
            for only, it, p in table[[f"only_{name}", f"only_it_not_{name}", f"p_{name}"]].to_numpy(float)
        ]
        plain[f"only {name.replace('_', ' ')} right : only it"] = own
    return plain.to_markdown(index=False, disable_numparse=True)


def main() -> None:
    """Train the peers, evaluate all, print, write the CSV and the table in Markdown."""
    parser = arguments(__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--draws", type=int, default=2, help="draws of few labels to use, at most `repeats`")
    parser.add_argument("--without", nargs="*", choices=list(PEERS), default=[], help="peers to leave out")
    args = parser.parse_args()
    paths = Paths(args.site)
    settings = load_settings(paths.settings)
    predicted = predictions(Root(paths, settings), [p for p in PEERS if p not in args.without], args.draws)
    found = read_json(paths.metrics("linear_evaluation"))
    best_first = sorted(encoders_on(settings), key=lambda encoder: -found[encoder]["validation_accuracy"])
    scores = scored(predicted, joined(paths, args.truth))
    table = compare(scores, best_first, settings.evaluation.bootstrap, settings.seed)
    path = save(table, "comparison", args.out, settings.learning.device)
    path.with_suffix(".md").write_text(as_markdown(table) + "\n", encoding="utf-8")
    print(as_markdown(table))


if __name__ == "__main__":
    main()
