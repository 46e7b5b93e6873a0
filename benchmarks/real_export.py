"""Evaluate a finished root with the truth file of `to_dicom.py`: accuracy by encoder and share of labels, label errors.

    python benchmarks/real_export.py SITE EXPORT/truth.csv [--out benchmarks/results/real_export_quick.csv]

For evaluation only: no model or ranking reads the truth. If an image truly shows two regions, both are right. Intervals
resample patients. Average precision and lift are those of `error_probability` in `data/label_errors.parquet`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from dagster_project.core.paths import Paths
from dagster_project.learning.evaluation.metrics import patient_bootstrap

KINDS = ("neighbour", "uniform", "protocol_default", "missing", "out_of_domain")


def joined(paths: Paths, truth: Path) -> pd.DataFrame:
    """The training set with the truth of each image."""
    table = pd.read_parquet(paths.training_set)[["image_id", "patient_group", "split"]]
    identities = pd.read_parquet(paths.identities)[["image_id", "sop_instance_uid"]]
    rows = pd.read_csv(truth, dtype=str, keep_default_na=False).drop(columns="group")
    return table.merge(identities, on="image_id").merge(rows, on="sop_instance_uid", validate="one_to_one")


def accuracies(paths: Paths, truth: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on in-domain test images, one row a model and share of labels; also against the given labels."""
    predicted = pd.concat(pd.read_parquet(p) for p in sorted(paths.test_predictions("x").parent.glob("*.parquet")))
    merged = predicted.merge(truth[truth["role"] != "out_of_domain"], on="image_id", suffixes=("_predicted", ""))
    merged["right"] = (merged["region_predicted"] == merged["region"]) | (
        merged["region_predicted"] == merged["second_region"]
    )
    rows = []
    for (model, fraction), part in merged.groupby(["model", "fraction"]):
        each = part.groupby("image_id").agg(right=("right", "mean"), patient_group=("patient_group", "first"))
        patients = each["patient_group"].to_numpy(object).astype(str)
        interval = patient_bootstrap(each["right"].to_numpy(float), patients, 1000, 0)
        agrees = (part["region_predicted"] == part["given_region"]).mean()
        rows.append((model, fraction, len(each), interval.value, interval.low, interval.high, agrees))
    columns = ["model", "fraction", "images", "accuracy", "low", "high", "agrees_with_given"]
    return pd.DataFrame(rows, columns=columns).sort_values(["fraction", "accuracy"], ignore_index=True)


def ranking(paths: Paths, truth: pd.DataFrame) -> pd.DataFrame:
    """How well `error_probability` finds planted errors, and `neighbourhood_noise` finds out-of-domain images."""
    ranked = pd.read_parquet(paths.label_errors).merge(truth, on="image_id", suffixes=("", "_true"))
    return measured(ranked["error_kind"], ranked["error_probability"], ranked["neighbourhood_noise"])


def measured(kind: pd.Series, suspicion: pd.Series, strangeness: pd.Series) -> pd.DataFrame:
    """One row per kind of error. Each kind is searched among its own images and the right labels; `out_of_domain, among
    all` by `strangeness` among all labels, wrong labels included. Images with a suspicion of NaN do not count."""
    kind, suspicion, strangeness = (column[suspicion.notna()] for column in (kind, suspicion, strangeness))
    right = kind == "none"
    groups = {"all": ~right, "wrong_label": kind.isin(KINDS[:3])} | {name: kind == name for name in KINDS}
    rows = [(name, *_found(planted[planted | right], suspicion[planted | right])) for name, planted in groups.items()]
    labelled = kind != "missing"
    rows.append(("out_of_domain, among all", *_found((kind == "out_of_domain")[labelled], strangeness[labelled])))
    columns = ["kind", "planted", "auroc", "average_precision", "precision_at_n", "found_in_first_8_percent", "lift"]
    table = pd.DataFrame(rows, columns=columns)
    return table[table["planted"] > 0].reset_index(drop=True)


def _found(planted: pd.Series, suspicion: pd.Series) -> tuple[float, ...]:
    y, count = planted.to_numpy(), int(planted.sum())
    if not count:
        return (0,) + (np.nan,) * 5
    top = y[np.argsort(-suspicion.to_numpy(), kind="stable")]
    return (
        count,
        roc_auc_score(y, suspicion),
        average_precision_score(y, suspicion),
        top[:count].mean(),
        top[: round(0.08 * len(top))].sum() / count,
        top[:count].mean() / y.mean(),
    )


def main() -> None:
    """Evaluate a root's results with the truth file of its export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--out", type=Path, help="write <out>_accuracy.csv and <out>_ranking.csv")
    args = parser.parse_args()
    paths = Paths(args.site)
    truth = joined(paths, args.truth)
    tables = {"accuracy": accuracies(paths, truth)}
    if paths.label_errors.exists():
        tables["ranking"] = ranking(paths, truth)
    for name, table in tables.items():
        print(f"\n{name}\n{table.to_string(index=False, float_format='%.3f')}")
        if args.out:
            table.to_csv(f"{args.out}_{name}.csv", index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
