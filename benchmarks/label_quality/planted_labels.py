"""How well wrong labels are found, by size of the site, share of wrong labels and seed, against three plain rankings.

    python -m benchmarks.label_quality.planted_labels SITE EXPORT/truth.csv RADIOGRAPHS [--sizes 400 800] [--rates .01]

SITE is a finished root of the profile `frozen`. RADIOGRAPHS is the folder with the `to_dicom.py` that wrote the export
and its `manifest.csv`. For each seed, size and rate, whole patients of SITE are drawn, and `to_dicom.py` plants label
errors among their images. The ranking then runs on a copy of SITE with these labels. Peers, all on the embeddings of
the encoder that tells which images are similar: cleanlab's self-confidence of a plain logistic regression in four folds
of patients; disagreement of the nearest neighbours of other patients; the intra/extra-class distance ratio of Gröger et
al. 2023, arXiv 2305.17048. The truth gives the labels, and evaluates; no ranking reads more of it.
`gain` is the average precision minus that of the peer, with a 95 % interval over resampled patients.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import runpy
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.preprocessing import normalize

from benchmarks.real_export import joined, measured
from benchmarks.results import arguments, save
from dagster_project.core.atomic_io import write_array, write_table
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import load_settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import class_numbers, load_training_set
from dagster_project.intake.training_set.split import assign_folds, stratum_of
from dagster_project.label_quality.label_errors.find import find_label_errors, load_label_errors
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.evaluation.neighbours import find_neighbours
from dagster_project.learning.pretraining.methods_on import self_supervised_on, similarity_encoder

WRONG = ("neighbour", "uniform", "protocol_default")
_C, _FOLDS, _RESAMPLES = 0.003, 4, 200


def plant(known: pd.DataFrame, radiographs: Path, rate: float, seed: int) -> pd.DataFrame:
    """`known` with the `given_region` ("" for none) and `error_kind` that `to_dicom.py` plans for its images."""
    with (radiographs / "manifest.csv").open(newline="", encoding="utf-8") as manifest:
        rows = {row["file"]: row for row in csv.DictReader(manifest)}
    chance = random.Random(seed)
    chosen = [rows[file] for file in known["picture"]]  # the column is named so in truth.csv
    order = chance.sample(range(len(chosen)), len(chosen))
    wanted = argparse.Namespace(label_noise=rate, missing=0.02)
    runpy.run_path(str(radiographs / "to_dicom.py"))["plan"]([chosen[i] for i in order], wanted, chance)
    return known.assign(given_region=[r["given_region"] for r in chosen], error_kind=[r["error_kind"] for r in chosen])


def whole_patients(table: pd.DataFrame, size: int, seed: int) -> np.ndarray:
    """Rows of patients drawn until there are `size` images; 0 = all."""
    if not size:
        return np.arange(len(table))
    patients = np.random.default_rng(seed).permutation(table["patient_group"].unique())
    count = table.groupby("patient_group").size()[patients].cumsum()
    return np.flatnonzero(table["patient_group"].isin(patients[: int((count < size).sum()) + 1]))


def planted_root(site: Root, known: pd.DataFrame, rows: np.ndarray, folder: Path) -> Root:
    """A copy of the site's rows, by hard links, with the labels of `known`."""
    shutil.copytree(site.paths.root, folder, copy_function=os.link, ignore=shutil.ignore_patterns(".dvc", ".dagster"))
    paths, table = Paths(folder), load_training_set(site.paths)
    missing = known["given_region"].to_numpy() == ""
    new = table.iloc[rows].reset_index(drop=True)
    new["region"] = known["given_region"].mask(missing, None).to_numpy()
    new["label_status"] = np.where(missing, "missing", "region")
    new["fold"] = new["patient_group"].map(
        assign_folds(stratum_of(new["patient_group"], new["region"]), site.settings.training_set.folds)
    )
    write_table(paths.training_set, new)
    for encoder in self_supervised_on(site.settings):
        write_array(paths.embeddings(encoder), load_embeddings(site.paths, encoder, len(table))[rows])
    return Root(paths, load_settings(paths.settings))


def peers_of(root: Root) -> dict[str, np.ndarray]:
    """The suspicion of each plain ranking, (N,), NaN without a label."""
    table = load_training_set(root.paths)
    labels, patients = class_numbers(root, table), table["patient_group"].to_numpy(str)
    embeddings, given = load_embeddings(root.paths, similarity_encoder(root.settings), len(table)), labels >= 0
    model = LogisticRegression(C=_C, max_iter=300)
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    split = (embeddings[given], labels[given])
    probabilities = cross_val_predict(model, *split, groups=patients[given], cv=folds, method="predict_proba")
    classes = np.unique(labels[given])
    confidence = get_label_quality_scores(
        np.searchsorted(classes, labels[given]), probabilities, method="self_confidence"
    )
    neighbours = find_neighbours(embeddings, given, patients, root.settings.label_errors.neighbours)
    agreement = np.nan_to_num(neighbours.agreement(labels), nan=0.5)  # an image without neighbours
    found = {"self-confidence": 1 - confidence, "distance ratio": distance_ratio(*split)}
    full = {name: np.full(len(labels), np.nan) for name in found}
    for name, suspicion in found.items():
        full[name][given] = suspicion
    return full | {"k-NN disagreement": np.where(given, 1 - agreement, np.nan)}


def distance_ratio(embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """a^2 / (a^2 + b^2), (N,) in 0..1: the cosine distances to the nearest image of the same label and of another."""
    unit = normalize(embeddings)
    distance = 1 - unit @ unit.T
    np.fill_diagonal(distance, np.inf)
    same = labels[:, None] == labels
    intra, extra = (np.where(mask, distance, np.inf).min(axis=1) ** 2 for mask in (same, ~same))
    both = np.where(intra + extra > 0, intra + extra, 1.0)  # of equal images with equal and other labels: 0 / 0
    return np.where(np.isinf(intra), 1.0, np.where(intra + extra > 0, intra / both, 0.5))


def gains(ours: np.ndarray, peer: np.ndarray, wrong: np.ndarray, patients: np.ndarray) -> dict[str, float]:
    """Average precision of wrong labels minus the peer's, with a 95 % interval over resampled patients."""

    def gain(rows: np.ndarray) -> float:
        return average_precision_score(wrong[rows], ours[rows]) - average_precision_score(wrong[rows], peer[rows])

    rng, names = np.random.default_rng(0), np.unique(patients)
    of = {name: np.flatnonzero(patients == name) for name in names}
    drawn = (np.concatenate([of[n] for n in rng.choice(names, len(names))]) for _ in range(_RESAMPLES))
    low, high = np.quantile([gain(rows) for rows in drawn if wrong[rows].any()], (0.025, 0.975))
    return {"gain": gain(np.arange(len(wrong))), "low": low, "high": high}


def compared(root: Root, known: pd.DataFrame) -> pd.DataFrame:
    """One row for each ranking and kind of error, as `measured`; rows of wrong labels have the gain over each peer."""
    find_label_errors(root)
    listed = load_label_errors(root.paths).set_index("image_id").loc[known["image_id"]].reset_index()
    kind, ours = known["error_kind"], listed["error_probability"]
    tables = {"raytruth": measured(kind, ours, listed["neighbourhood_noise"])}
    counts = kind.isin((*WRONG, "none")).to_numpy()
    wrong, patients = kind.isin(WRONG).to_numpy()[counts], known["patient_group"].to_numpy(str)[counts]
    for name, suspicion in peers_of(root).items():
        table = measured(kind, pd.Series(suspicion), pd.Series(suspicion))
        gain = gains(ours.to_numpy()[counts], suspicion[counts], wrong, patients)
        tables[name] = table.assign(
            **{key: np.where(table["kind"] == "wrong_label", v, np.nan) for key, v in gain.items()}
        )
    return pd.concat(table.assign(method=name) for name, table in tables.items())


def main() -> None:
    """Plant and rank for each seed, size and rate, and write one table."""
    parser = arguments(__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("radiographs", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[400, 800, 1600, 0], help="images; 0 = all")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.01, 0.02, 0.03, 0.05, 0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    args = parser.parse_args()
    paths = Paths(args.site)
    site, truth = Root(paths, load_settings(paths.settings)), joined(paths, args.truth)
    truth = truth.set_index("image_id").loc[load_training_set(paths)["image_id"]].reset_index()
    found = []
    for seed in args.seeds:
        for size in args.sizes:
            rows = whole_patients(truth, size, seed)
            for rate in args.rates:
                known = plant(truth.iloc[rows].reset_index(drop=True), args.radiographs, rate, seed)
                with TemporaryDirectory(dir=args.site.parent) as folder:
                    table = compared(planted_root(site, known, rows, Path(folder) / "root"), known)
                found.append(table.assign(seed=seed, images=len(rows), rate=rate))
                shown = table[table["kind"] == "wrong_label"].set_index("method")["average_precision"]
                print(seed, len(rows), rate, shown.round(3).to_dict(), flush=True)
    table = pd.concat(found)
    first = ["seed", "images", "rate", "method"]
    save(table[[*first, *table.columns.drop(first)]], "planted-labels", args.out)


if __name__ == "__main__":
    main()
