"""Self-training: accuracy if only a share of the training images has a label.

    python -m benchmarks.learning.few_labels SITE [--share 0.1] [--draws 2] [--truth EXPORT/truth.csv]

SITE is a root with a trained `encoder_simclr`. In a copy of the root, all labels of the training split except a
stratified share are removed, so that no model can see them. Then the normal stages run: SimCLR is kept (it saw no
label), SupCon is trained on the most confident pseudo-labels, probes are fitted on the remaining labels. The validation
split keeps its labels, which choose the probes' C. Accuracy is on the test split, against the given labels and, with
--truth, against the truth file of `to_dicom.py`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.real_export import accuracies, joined
from benchmarks.results import arguments, save
from dagster_project.core.atomic_io import read_json, write_table
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import load_settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.learning.ensembling.candidates import fit_candidate
from dagster_project.learning.ensembling.concatenate_embeddings import concatenate_embeddings
from dagster_project.learning.evaluation.embeddings import embed_training_set
from dagster_project.learning.evaluation.labelled import draw_fraction, load_labelled_set
from dagster_project.learning.evaluation.linear_evaluation import prediction_table
from dagster_project.learning.pretraining.pretrain import pretrain

MODELS = {
    "encoder_simclr": ("encoder_simclr",),
    "encoder_supcon, self-trained": ("encoder_supcon",),
    "both, joint probe": ("encoder_simclr", "encoder_supcon"),
}


def with_few_labels(site: Paths, folder: Path, share: float, seed: int) -> Paths:
    """A copy of the root with only a stratified share of the training split's labels."""
    copy = Paths(folder)
    for part in ("params.yaml", "data", "models/encoder_simclr"):
        source = site.root / part
        copier = shutil.copytree if source.is_dir() else shutil.copy
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        copier(source, folder / part)
    settings = load_settings(site.settings)
    shutil.copy(site.root / settings.regions, folder / settings.regions)
    data, table = load_labelled_set(Root(site, settings)), load_training_set(site)
    left = data.train[draw_fraction(data.labels[data.train], share, settings.seed + seed)]
    blank = (table["split"] == "train").to_numpy() & ~np.isin(np.arange(len(table)), left)
    table.loc[blank, "region"] = None
    write_table(copy.training_set, table)
    return copy


def predictions(root: Root, draw: int) -> pd.DataFrame:
    """Train and probe; one row per test image and model."""
    pretrain(root, "simclr", "supcon")
    data = load_labelled_set(root)
    embeddings = {name: embed_training_set(root, name) for name in ("encoder_simclr", "encoder_supcon")}
    tables = []
    for model, encoders in MODELS.items():
        found = fit_candidate(concatenate_embeddings(embeddings, encoders), data, data.train, root.settings)
        table = prediction_table(model, data, 1.0, draw, found.probabilities(data.test))
        tables.append(table.assign(given=np.array(data.regions, dtype=object)[data.labels[data.test]]))
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    """Draw, train, evaluate, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--truth", type=Path)
    args = parser.parse_args()
    site = Paths(args.site.resolve())
    rows = []
    for draw in range(args.draws):
        with tempfile.TemporaryDirectory() as folder:
            copy = with_few_labels(site, Path(folder) / "root", args.share, draw)
            settings = load_settings(copy.settings)
            found = predictions(Root(copy, settings), draw)
            card = read_json(copy.encoder("encoder_supcon") / "card.json")
            for model, part in found.groupby("model", sort=False):
                row = {"model": model, "share": args.share, "draw": draw, "labels": card["labels_seen"]}
                row |= {
                    "pseudo_labels": card["pseudo_labels_seen"],
                    "agrees_with_given": (part["region"] == part["given"]).mean(),
                }
                rows.append(row)
            if args.truth:
                shutil.rmtree(copy.test_predictions("x").parent, ignore_errors=True)
                write_table(copy.test_predictions("few_labels"), found.drop(columns="given"))
                true = accuracies(copy, joined(copy, args.truth)).set_index("model")
                for row in rows[-len(MODELS) :]:
                    row |= true.loc[str(row["model"]), ["images", "accuracy", "low", "high"]].to_dict()
    save(pd.DataFrame(rows), "few_labels", args.out)


if __name__ == "__main__":
    main()
