"""Score a finished root against the truth file of `to_dicom.py`: accuracy by encoder and share of labels, label errors.

    python benchmarks/real_export.py SITE EXPORT/truth.csv [--out benchmarks/results/real_export_quick.csv]

For scoring only: nothing that learns or ranks reads the truth. A picture that truly shows two regions counts as right
with either. Intervals resample patients. Average precision and lift are those of `data/label_errors.parquet`'s score.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from dagster_project.evaluation.metrics import patient_bootstrap
from dagster_project.layout import Layout

KINDS = ("neighbour", "uniform", "protocol_default", "missing", "out_of_domain")


def joined(layout: Layout, truth: Path) -> pd.DataFrame:
    """The training set with the truth of each picture."""
    table = pd.read_parquet(layout.training_set)[["image_id", "group", "split"]]
    identities = pd.read_parquet(layout.identities)[["image_id", "sop_instance_uid"]]
    rows = pd.read_csv(truth, dtype=str, keep_default_na=False).drop(columns="group")
    return table.merge(identities, on="image_id").merge(rows, on="sop_instance_uid", validate="one_to_one")


def accuracies(layout: Layout, truth: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on in-domain test pictures, one row a model and share of labels; also against the given labels."""
    predicted = pd.concat(pd.read_parquet(p) for p in sorted(layout.test_predictions("x").parent.glob("*.parquet")))
    merged = predicted.merge(truth[truth["role"] != "out_of_domain"], on="image_id", suffixes=("_predicted", ""))
    merged["right"] = (merged["region_predicted"] == merged["region"]) | (
        merged["region_predicted"] == merged["second_region"]
    )
    rows = []
    for (model, fraction), part in merged.groupby(["model", "fraction"]):
        each = part.groupby("image_id").agg(right=("right", "mean"), group=("group", "first"))
        interval = patient_bootstrap(each["right"].to_numpy(float), each["group"].to_numpy(object).astype(str), 1000, 0)
        agrees = (part["region_predicted"] == part["given_region"]).mean()
        rows.append((model, fraction, len(each), interval.value, interval.low, interval.high, agrees))
    columns = ["model", "fraction", "pictures", "accuracy", "low", "high", "agrees_with_given"]
    return pd.DataFrame(rows, columns=columns).sort_values(["fraction", "accuracy"], ignore_index=True)


def ranking(layout: Layout, truth: pd.DataFrame) -> pd.DataFrame:
    """How well the score finds planted errors: all, wrong labels together, and each kind against the right ones."""
    ranked = pd.read_parquet(layout.label_errors).merge(truth, on="image_id", suffixes=("", "_true"))
    right = ranked["error_kind"] == "none"
    groups = {"all": ~right, "wrong_label": ranked["error_kind"].isin(KINDS[:3])}
    groups |= {kind: ranked["error_kind"] == kind for kind in KINDS}
    rows = []
    for name, planted in groups.items():
        if not planted.any():
            continue
        among = ranked[planted | right]
        y, suspicion = planted[planted | right].to_numpy(), 1 - among["score"].to_numpy()
        top = y[np.argsort(-suspicion, kind="stable")]
        count = int(y.sum())
        rows.append(
            (
                name,
                count,
                roc_auc_score(y, suspicion),
                average_precision_score(y, suspicion),
                top[:count].mean(),
                top[: round(0.08 * len(top))].sum() / count,
                top[:count].mean() / y.mean(),
            )
        )
    columns = ["kind", "planted", "auroc", "average_precision", "precision_at_n", "found_in_first_8_percent", "lift"]
    table = pd.DataFrame(rows, columns=columns)
    labelled = ranked[ranked["given_region"].notna()]
    y = labelled["error_kind"] == "out_of_domain"
    if y.any():
        area, ap = roc_auc_score(y, labelled["unusual"]), average_precision_score(y, labelled["unusual"])
        table.loc[len(table)] = ["out_of_domain (by `unusual`)", int(y.sum()), area, ap, np.nan, np.nan, np.nan]
    return table


def main() -> None:
    """Score a root's results against the truth file of the export that it read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--out", type=Path, help="write <out>_accuracy.csv and <out>_ranking.csv")
    args = parser.parse_args()
    layout = Layout(args.site)
    truth = joined(layout, args.truth)
    tables = {"accuracy": accuracies(layout, truth)}
    if layout.label_errors.exists():
        tables["ranking"] = ranking(layout, truth)
    for name, table in tables.items():
        print(f"\n{name}\n{table.to_string(index=False, float_format='%.3f')}")
        if args.out:
            table.to_csv(f"{args.out}_{name}.csv", index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
