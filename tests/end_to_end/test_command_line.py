"""`raytruth run`: one command from an export folder to a ranked list of wrong labels, as by Dagster's jobs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.encoders import ENCODERS
from support.roots import where_found
from support.whole_chain import NORTH, learning_root, register_north

from dagster_project.core.atomic_io import content_hash
from dagster_project.core.paths import Paths
from dagster_project.label_quality.review.cards import load_worklist

pytestmark = pytest.mark.slow


def dvc(paths: Paths, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], capture_output=True, text=True, cwd=paths.root, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_of_the_export_has_one_verdict(learned: Paths, hospital: Path) -> None:
    files = pd.read_parquet(learned.files)
    assert len(files) == sum(1 for path in (hospital / "dicom").rglob("*") if path.is_file())
    assert files["file_id"].is_unique
    assert set(files["verdict"]) <= {"accept", "accept_warn", "quarantine", "skip"}
    assert (files.loc[files["verdict"] != "accept", "reason"] != "").all()


def test_headers_and_pixels_are_of_the_same_images(learned: Paths) -> None:
    headers = pd.read_parquet(learned.headers(NORTH))
    shard = np.load(learned.pixels(NORTH))
    assert shard.dtype == np.uint8
    assert shard.shape == (len(headers), 64, 64)
    assert headers["image_id"].is_unique
    identities = pd.read_parquet(learned.identities)
    assert set(identities["image_id"]) == set(headers["image_id"])


def test_the_ranked_list_covers_every_image_in_the_order_of_its_error_probability(learned: Paths) -> None:
    ranked = pd.read_parquet(learned.label_errors)
    assert set(ranked["image_id"]) == set(pd.read_parquet(learned.training_set)["image_id"])
    assert ranked["rank"].tolist() == list(range(1, len(ranked) + 1))
    assert (1 - ranked["error_probability"]).is_monotonic_increasing
    assert ranked["error_probability"].between(0, 1).all()
    assert set(ranked["kind"]) <= {
        "wrong_label",
        "out_of_domain",
        "missing_label",
        "near_duplicate",
        "two_regions",
        "none",
    }


def test_planted_errors_come_earlier_in_the_list_than_by_chance(learned: Paths, hospital: Path) -> None:
    ranked = pd.read_parquet(learned.label_errors)
    identities = pd.read_parquet(learned.identities)[["image_id", "sop_instance_uid"]]
    truth = pd.read_csv(hospital / "truth.csv", dtype=str, keep_default_na=False).drop_duplicates("sop_instance_uid")
    known = ranked.merge(identities, on="image_id").merge(truth, on="sop_instance_uid")
    planted = (known["error_kind"] != "none").to_numpy()
    assert planted.sum() >= 5
    first_third = planted[known["rank"].to_numpy().argsort()][: len(known) // 3]
    assert first_third.sum() / planted.sum() > 0.5


def test_models_are_safetensors_with_a_card_that_names_their_content(learned: Paths) -> None:
    for encoder in ENCODERS:
        card = json.loads((learned.encoder(encoder) / "card.json").read_text())
        assert card["weights"] == content_hash(learned.encoder(encoder) / "weights.safetensors")
        assert card["training_set"] == content_hash(learned.training_set)
        assert card["labels_seen"] == 0 or encoder == "encoder_supcon"
    champion = json.loads(learned.champion.read_text())["model"]
    assert champion == content_hash(learned.champions_dir / champion)


def test_nothing_outside_private_names_a_patient(learned: Paths) -> None:
    assert where_found("CANARY", learned.private.parent / "private"), "the search must find what is there"
    assert where_found("CANARY", learned.root, leave_out=("data/private",)) == []


def test_no_original_uid_leaves_private(learned: Paths) -> None:
    uids = pd.read_parquet(learned.identities)["sop_instance_uid"].head(3)
    for uid in uids:
        assert where_found(uid, learned.root, leave_out=("data/private",)) == []


def test_dvc_finds_nothing_to_do_afterwards(learned: Paths) -> None:
    assert "up to date" in dvc(learned, "status")
    assert "didn't change" in dvc(learned, "repro", "--dry") or "up to date" in dvc(learned, "repro", "--dry")


def test_dvc_shows_metrics_and_draws_plots(learned: Paths, tmp_path: Path) -> None:
    shown = json.loads(dvc(learned, "metrics", "show", "--json"))
    ensemble = shown[""]["data"]["models/metrics/ensemble.json"]["data"]
    assert 0 <= ensemble["accuracy"]["1"]["value"] <= 1
    dvc(learned, "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text()
    assert "encoder_simclr" in page
    assert "confusion" in page.lower()


def test_what_was_lost_comes_back_from_dvc(learned: Paths, tmp_path: Path) -> None:
    copy = Paths(tmp_path / "copy")
    shutil.copytree(learned.root, copy.root, symlinks=True)
    before = content_hash(copy.label_errors)
    copy.label_errors.unlink()
    shutil.rmtree(copy.encoder("encoder_simclr"))
    dvc(copy, "checkout")
    assert content_hash(copy.label_errors) == before
    assert content_hash(copy.encoder("encoder_simclr")) == content_hash(learned.encoder("encoder_simclr"))


def test_what_dvc_pushed_another_machine_can_pull(learned: Paths, tmp_path: Path) -> None:
    copy = Paths(tmp_path / "copy")
    shutil.copytree(learned.root, copy.root, symlinks=True)
    dvc(copy, "push")
    shutil.rmtree(copy.root / ".dvc" / "cache")
    shutil.rmtree(copy.headers_dir)
    dvc(copy, "pull", "data/headers")
    assert content_hash(copy.headers_dir) == content_hash(learned.headers_dir)


def test_a_killed_run_goes_on_where_it_stopped_to_the_bytes_of_dagsters_jobs(
    learned: Paths, hospital: Path, tmp_path: Path, raytruth
) -> None:
    paths = learning_root(tmp_path / "root")
    register_north(paths, hospital / "dicom")
    command = [sys.executable, "-c", "from dagster_project.cli.main import main; main()", "--root", str(paths.root)]
    process = subprocess.Popen(
        [*command, "run", str(hospital / "dicom")], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "encoder_simclr: epoch 2" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was to be killed under way"
    done = raytruth("run", hospital / "dicom", root=paths.root)
    assert done.returncode == 0, done.stderr
    for path in (
        *("data/headers", "data/pixels", "data/quarantine", "data/patient_evidence", "data/patient_links.parquet"),
        *("data/training_set.parquet", "data/label_errors.parquet"),
        *("models/encoder_simclr", "models/encoder_byol", "models/encoder_supcon", "models/ensemble"),
        *("models/champion.json", "models/metrics", "data/drift"),
    ):
        assert content_hash(paths.root / path) == content_hash(learned.root / path), path


def test_running_again_changes_nothing_and_trains_nothing(
    learned: Paths, hospital: Path, tmp_path: Path, raytruth
) -> None:
    copy = Paths(tmp_path / "copy")
    shutil.copytree(learned.root, copy.root, symlinks=True)
    done = raytruth("run", hospital / "dicom", root=copy.root)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is up to date") == 2 * (3 + 3)  # encoders, and one a fold: side by side, then each stage
    assert "epoch" not in done.stderr
    for path in (copy.training_set, copy.label_errors, copy.ensemble, copy.headers_dir, copy.pixels_dir):
        assert content_hash(path) == content_hash(learned.root / path.relative_to(copy.root)), path


def test_scoring_a_folder_gives_a_row_an_instance_with_probabilities(
    learned: Paths, hospital: Path, tmp_path: Path, raytruth
) -> None:
    patient = next(p for p in sorted((hospital / "dicom").iterdir()) if p.is_dir())
    done = raytruth("predict-folder", patient, "--out", tmp_path / "predictions.parquet", root=learned.root)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    regions = json.loads(learned.champion.read_text())["regions"]
    assert list(table.columns) == ["sop_instance_uid", "region", "confidence", "ood_score", *regions]
    assert np.allclose(table[regions].sum(axis=1), 1, atol=1e-4)
    assert (table[regions].idxmax(axis=1) == table["region"]).all()
    known = pd.read_parquet(learned.identities)
    ours = known[known["path"].str.contains(patient.name)]
    assert set(table["sop_instance_uid"]) <= set(ours["sop_instance_uid"])


def test_the_worklist_has_every_suspicious_image(learned: Paths) -> None:
    worklist = load_worklist(learned)
    suspects = pd.read_parquet(learned.label_errors).query("kind != 'none'")
    assert len(worklist.cards) == min(len(suspects), 300)
    assert set(worklist.cards) <= set(worklist.images)
