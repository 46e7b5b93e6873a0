"""The comparison on a trained root: every way is there, scored by the truth alone, tested as statsmodels does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels
from support.encoders import ENCODERS
from support.trained import Trained, trained_root

from benchmarks.learning import peers
from benchmarks.learning.comparison import compare, main, mcnemar, mcnemar_counts, scored
from dagster_project.core.atomic_io import write_table
from dagster_project.learning.ensembling.concatenate_embeddings import joint_probes
from dagster_project.learning.ensembling.label_efficiency import means


@pytest.fixture(scope="module")
def site(made_once: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Path]:
    """A trained root with identities, and the truth file of its export: clouds are out of domain."""
    root = trained_root(made_once).copied_to(tmp_path_factory.mktemp("comparison") / "site")
    uids = root.truth["image_id"].map(lambda name: f"2.25.{int(name, 16)}")
    write_table(root.paths.identities, pd.DataFrame({"image_id": root.truth["image_id"], "sop_instance_uid": uids}))
    truth = pd.DataFrame(
        {
            "sop_instance_uid": uids,
            "region": root.truth["truth"].fillna("none"),
            "second_region": "",
            "given_region": root.truth["header_region"],
            "role": np.where(root.truth["truth"].isna(), "out_of_domain", "in_domain"),
            "group": root.truth["patient"],
        }
    )
    path = root.paths.private / "truth.csv"
    truth.to_csv(path, index=False)
    return root, path


def test_every_way_is_in_the_table_with_interval_and_test(
    site: tuple[Trained, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "LEAST_STEPS", 60)
    root, truth = site
    settings = yaml.safe_load(root.paths.settings.read_text())
    settings["profiles"]["quick"]["methods"]["simclr"]["epochs"] = 2
    root.paths.settings.write_text(yaml.safe_dump(settings))
    options = ["--draws=1", f"--out={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["comparison", str(root.paths.root), str(truth), *options])
    main()
    (path,) = tmp_path.glob("comparison_*.csv")
    table = pd.read_csv(path)
    names = {*ENCODERS, *means(root.settings), *joint_probes(root.settings), "hog", "monai_simclr", "supervised"}
    for labels, part in table.groupby("labels"):
        assert set(part["model"]) == names | ({"ensemble"} if labels == "100%" else set())
        assert part["accuracy"].is_monotonic_decreasing
    assert ((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"])).all()
    few = table[table["labels"] == "1%"].set_index("model")
    assert (few["ensemble"] == "joint_probe_self_supervised").all()
    assert few.loc["encoder_supcon", "encoder_saw"] == "all labels"
    assert np.isnan(few.loc["encoder_supcon", "p_ensemble"])
    full = table[table["labels"] == "100%"].set_index("model")
    assert full.drop("ensemble")["p_ensemble"].between(0, 1).all()
    assert full.loc["supervised", "accuracy"] > 0.3  # chance: 0.2
    assert full.loc["hog", "accuracy"] > 0.4
    assert "| 100%" in path.with_suffix(".md").read_text()


def test_right_is_what_the_truth_says_either_of_two_regions_and_no_strangers() -> None:
    predicted = pd.DataFrame({"image_id": list("abcd"), "model": "m", "region": ["hand", "foot", "knee", "hand"]})
    truth = pd.DataFrame(
        {
            "image_id": list("abcd"),
            "region": ["hand", "knee", "hand", "hand"],
            "second_region": ["", "foot", "", ""],
            "role": ["in_domain"] * 3 + ["out_of_domain"],
            "patient_group": list("abcd"),
        }
    )
    found = scored(predicted, truth)
    assert dict(zip(found["image_id"], found["right"], strict=True)) == {"a": 1, "b": 1, "c": 0}


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (5, 5), (12, 3), (0, 30)])
def test_mcnemar_is_statsmodels_own(counts: tuple[int, int]) -> None:
    want = of_statsmodels([[10, counts[0]], [counts[1], 10]], exact=True).pvalue if sum(counts) else 1.0
    assert mcnemar(*counts) == pytest.approx(want)


def test_discordant_images_are_counted_one_by_one_and_the_best_single_is_validation_s() -> None:
    one, other = pd.Series([True, True, False, True]), pd.Series([True, False, True, False])
    assert mcnemar_counts(one, other) == (2, 1)
    right = {"encoder_simclr": [1, 1, 1, 0], "encoder_byol": [1, 0, 0, 0], "ensemble": [1, 1, 0, 1]}
    scores = pd.DataFrame(
        [
            {"image_id": f"i{i}", "patient_group": f"g{i}", "model": m, "fraction": 1.0, "repeat": 0, "right": float(r)}
            for m, values in right.items()
            for i, r in enumerate(values)
        ]
    )
    table = compare(scores, ["encoder_byol", "encoder_simclr"], 50, 0).set_index("model")
    assert (table["best_single"] == "encoder_byol").all()
    simclr = table.loc["encoder_simclr"]
    assert (simclr["only_ensemble"], simclr["only_it_not_ensemble"], simclr["p_ensemble"]) == (1, 1, 1)
    assert (simclr["only_best_single"], simclr["only_it_not_best_single"]) == (0, 2)
