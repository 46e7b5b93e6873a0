"""How well wrong labels are found, by share of wrong labels and kind of error, against three simple rankings.

    python -m benchmarks.label_quality.label_ranking SITE NOISE_5/truth.csv NOISE_1/truth.csv ...

SITE is a finished root of the first export. The others are exports of the same images by `to_dicom.py`, with the same
seed and another `--label-noise`. SITE's training set gets their labels, in a copy next to SITE (`SITE-ranking-<n>`).
Pixels, split and the encoders without labels stay the same. Everything that sees labels is trained again: the encoders
of the folds, the probes, and the network. Peers: cleanlab's self-confidence of a cross-fitted probe on SimCLR;
disagreement of SimCLR's nearest neighbours of other patients; a network of the profile's size trained on the labels of
four folds of patients, with cleanlab's self-confidence. The truth gives the labels of each export, and evaluates; no
model or ranking reads more of it. A second run continues from the existing results.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from cleanlab.rank import get_label_quality_scores
from scipy.special import softmax

from benchmarks.learning.peers import taught
from benchmarks.real_export import joined, measured
from benchmarks.results import arguments, save
from dagster_project.core.atomic_io import write_table
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import load_settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import class_numbers, gather_images, load_training_set
from dagster_project.intake.training_set.split import assign_folds, stratum_of
from dagster_project.label_quality.label_errors.find import find_label_errors, load_label_errors
from dagster_project.label_quality.label_errors.out_of_fold import predict_out_of_fold
from dagster_project.learning.encoders.embed import embed
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.evaluation.neighbours import find_neighbours
from dagster_project.learning.pretraining.methods_on import reference_encoder
from dagster_project.learning.pretraining.plan import SOURCE_MARGIN
from dagster_project.learning.pretraining.pretrain import pretrain

FOLDS = 4
EPOCHS = 40  # of the supervised network; it sees an image once per epoch, the encoders of the folds twice in each of 30
PARTS = ("params.yaml", "regions.yaml", "data", "models")


def relabelled(site: Paths, truth: Path, folder: Path) -> Paths:
    """A copy of the root, by hard links, with the labels of the export of `truth` in its training set."""
    paths = Paths(folder)
    if folder.exists():
        return paths
    for part in PARTS:
        source = site.root / part
        if source.is_dir():
            shutil.copytree(source, folder / part, copy_function=os.link)
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, folder / part)
    table = load_training_set(site)
    given = table["image_id"].map(joined(site, truth).set_index("image_id")["given_region"])
    missing = given == ""
    status = np.where(missing, "missing", "region")
    write_table(paths.training_set, table.assign(region=given.mask(missing, None), label_status=status))
    return paths


def by_supervised(root: Root, table: pd.DataFrame, labels: np.ndarray) -> np.ndarray:
    """Probabilities (N, K) of a network trained on the labels of the other folds of patients."""
    kept = root.paths.root / "supervised.npy"
    if kept.exists():
        return np.load(kept)
    fold = (
        table["patient_group"]
        .map(assign_folds(stratum_of(table["patient_group"], table["region"]), FOLDS))
        .to_numpy(int)
    )
    teaches = (labels >= 0) & (table["exclusion"] == "").to_numpy(bool)
    seen = gather_images(root.paths, table, round(root.settings.learning.input_size * SOURCE_MARGIN))
    asked = gather_images(root.paths, table, root.settings.learning.input_size)
    found = np.zeros((len(table), labels.max() + 1))
    methods = root.settings.learning.methods
    schooling = {"methods": methods | {"supcon": methods["supcon"] | {"epochs": EPOCHS}}}
    profile = root.settings.learning.model_copy(update=schooling)
    root.settings = root.settings.model_copy(update={"profiles": {root.settings.profile: profile}})
    for k in range(FOLDS):
        rows = teaches & (fold != k)
        backbone, head = taught(seen[rows], labels[rows], found.shape[1], root.settings)
        with torch.inference_mode():
            logits = head(torch.from_numpy(embed(backbone, asked[fold == k], root.settings.learning)))
        found[fold == k] = softmax(logits.numpy(), axis=1)
    np.save(kept, found)
    return found


def compared(root: Root, truth: Path) -> pd.DataFrame:
    """The pipeline's list and the peers', each measured."""
    pretrain(root, "crossfit")
    find_label_errors(root)
    table = load_training_set(root.paths)
    labels, given = class_numbers(root, table), table["region"].notna().to_numpy()
    known = joined(root.paths, truth).set_index("image_id").loc[table["image_id"]]
    kind = known["error_kind"].reset_index(drop=True)
    listed = load_label_errors(root.paths).set_index("image_id").loc[table["image_id"]].reset_index()
    neighbours = find_neighbours(
        load_embeddings(root.paths, reference_encoder(root.settings), len(table)),
        given,
        table["patient_group"].to_numpy(str),
        20,
    )
    simclr = predict_out_of_fold(root, table, labels, labels.max() + 1).probabilities[0]
    peers = {
        "self-confidence, SimCLR": _doubt(labels, simclr),
        "k-NN disagreement, SimCLR": pd.Series(1 - neighbours.agreement(labels)),
        "supervised network": _doubt(labels, by_supervised(root, table, labels)),
    }
    tables = {"raytruth": measured(kind, listed["error_probability"], listed["neighbourhood_noise"])}
    tables |= {name: measured(kind, doubt, doubt) for name, doubt in peers.items()}
    wrong = kind[given].isin(["neighbour", "uniform", "protocol_default"]).mean()
    return pd.concat(t.assign(noise=round(float(wrong), 3), method=name) for name, t in tables.items())


def _doubt(labels: np.ndarray, probabilities: np.ndarray) -> pd.Series:
    """1 - cleanlab's self-confidence; NaN without a label."""
    doubt = pd.Series(np.nan, index=range(len(labels)))
    given = labels >= 0
    doubt[given] = 1 - get_label_quality_scores(labels[given], probabilities[given], method="self_confidence")
    return doubt


def main() -> None:
    """Rank under each export's labels and write one table."""
    parser = arguments(__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("truth", type=Path, nargs="+")
    args = parser.parse_args()
    found = []
    for number, truth in enumerate(args.truth):
        paths = relabelled(Paths(args.site), truth, args.site.with_name(f"{args.site.name}-ranking-{number}"))
        found.append(compared(Root(paths, load_settings(paths.settings)), truth))
        print(found[-1].to_string(index=False, float_format="%.3f"), flush=True)
    table = pd.concat(found)
    save(table[["noise", "method", *table.columns.drop(["noise", "method"])]], "label-ranking", args.out)


if __name__ == "__main__":
    main()
