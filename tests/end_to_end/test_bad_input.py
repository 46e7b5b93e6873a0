"""Whatever is wrong, the answer is a sentence that helps, a status that is not 0, and the last good state."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from support.dicoms import write_export
from support.roots import small_root
from support.whole_chain import NORTH, Result

from dagster_project.core.atomic_io import content_hash
from dagster_project.core.paths import Paths
from dagster_project.intake.root import open_root

pytestmark = pytest.mark.slow


def refused(done: Result, *parts: str) -> None:
    said = " ".join(done.stderr.split())
    assert done.returncode == 1, said
    assert "Traceback" not in said
    for part in ("Error:", "where:", "what to do:", *parts):
        assert part in said, said


def test_an_empty_folder(tmp_path: Path, raytruth) -> None:
    paths = small_root(tmp_path / "root")
    (tmp_path / "empty").mkdir()
    refused(raytruth("run", tmp_path / "empty", root=paths.root), "The source folder is empty")


def test_a_folder_without_radiographs(tmp_path: Path, raytruth) -> None:
    paths = small_root(tmp_path / "root")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "readme.txt").write_text("no image")
    (tmp_path / "texts" / "broken.dcm").write_text("no image either")
    refused(
        raytruth("run", tmp_path / "texts", root=paths.root),
        "holds no usable radiograph",
        "1 not_dicom",
        "1 not_dicom_content",
    )
    assert paths.quarantine("batch-001").exists()


def test_one_class_only(tmp_path: Path, raytruth) -> None:
    paths = small_root(tmp_path / "root")
    source = write_export(tmp_path / "export", {"KNEE": 12})
    refused(raytruth("run", source, root=paths.root), "Only 1 region class(es)", "knee")


def test_one_patient_only(tmp_path: Path, raytruth) -> None:
    from support.dicoms import radiograph, save

    paths = small_root(tmp_path / "root")
    for i, term in enumerate(["KNEE", "HAND", "FOOT", "KNEE", "HAND", "FOOT"]):
        save(radiograph(i, PatientID="CANARYID", BodyPartExamined=term), tmp_path / "export" / f"{i}.dcm")
    refused(raytruth("run", tmp_path / "export", root=paths.root), "Only 0 region class(es)", "too small")


def test_a_class_with_too_few_patients_is_left_out_by_name(tmp_path: Path, raytruth) -> None:
    paths = small_root(tmp_path / "root")
    source = write_export(tmp_path / "export", {"KNEE": 12, "HAND": 12, "ELBOW": 2})
    raytruth("ingest", source, root=paths.root)
    raytruth("validate", root=paths.root)
    done = raytruth("build-training-set", root=paths.root)
    assert done.returncode == 0, done.stderr
    assert "elbow (2)" in done.stderr


def test_an_unknown_settings_key(tmp_path: Path, raytruth) -> None:
    paths = small_root(tmp_path / "root")
    paths.settings.write_text(paths.settings.read_text().replace("temperature", "temprature", 1))
    refused(raytruth("build-training-set", root=paths.root), "unknown key; did you mean temperature?")


def test_a_missing_regions_file(tmp_path: Path, raytruth) -> None:
    paths = small_root(tmp_path / "root")
    (paths.root / "regions.yaml").unlink()
    source = write_export(tmp_path / "export", {"KNEE": 2})
    refused(raytruth("run", source, root=paths.root), "The regions file is missing", "regions.yaml")
    refused(raytruth("init", tmp_path / "other", "--regions", tmp_path / "nowhere.yaml"), "The regions file is missing")


def test_a_batch_name_already_used_for_another_source(tmp_path: Path, raytruth) -> None:
    paths = small_root(tmp_path / "root")
    first = write_export(tmp_path / "first", {"KNEE": 2})
    second = write_export(tmp_path / "second", {"HAND": 2}, first_seed=50)
    assert raytruth("ingest", first, "--batch", "march", root=paths.root).returncode == 0
    before = content_hash(paths.headers("march"))
    refused(raytruth("ingest", second, "--batch", "march", root=paths.root), "already used for another source")
    assert content_hash(paths.headers("march")) == before


def test_a_root_made_twice(tmp_path: Path, raytruth) -> None:
    paths = small_root(tmp_path / "root")
    before = paths.settings.read_text()
    refused(raytruth("init", paths.root), "a working root already")
    assert paths.settings.read_text() == before


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        (["build-training-set"], "No batch can be used for training"),
        (["validate"], "There is no batch yet"),
        (["pretrain", "simclr"], "There is no training set yet"),
        (["pretrain", "dino"], "Unknown method"),
        (["evaluate"], "There is no training set yet"),
        (["worklist"], "There is no list of label errors yet"),
        (["monitor"], "There is no batch yet"),
        (["export-corrections", "out.csv"], "There are no corrections yet"),
    ],
)
def test_a_stage_whose_input_is_missing_says_what_to_run(
    command: list[str], needed: str, made_once: Callable[..., Path], raytruth
) -> None:
    root = made_once("bare", lambda folder: small_root(folder))
    refused(raytruth(*command, root=root, cwd=root), needed)


def test_a_batch_whose_blocking_check_failed_is_not_trained_on(learned: Paths, tmp_path: Path, raytruth) -> None:
    import pandas as pd

    copy = Paths(tmp_path / "copy")
    shutil.copytree(learned.root, copy.root, symlinks=True)
    headers = pd.read_parquet(copy.headers(NORTH))
    headers.loc[0, "patient"] = "not a pseudonym"
    headers.to_parquet(copy.headers(NORTH), index=False)
    refused(
        raytruth("build-training-set", root=copy.root),
        "No batch can be used for training",
        "not validated in its current state",
    )
    assert raytruth("validate", root=copy.root).returncode == 0
    refused(raytruth("build-training-set", root=copy.root), "blocking checks failed: patient_is_a_pseudonym")
    assert content_hash(copy.training_set) == content_hash(learned.training_set)


STAGES = {
    "ingest": ("data/headers", "data/pixels"),
    "validate": ("data/headers",),
    "build-training-set": ("data/training_set.parquet",),
    "pretrain simclr": ("models/encoder_simclr",),
    "pretrain byol": ("models/encoder_byol",),
    "pretrain crossfit": ("models/encoder_supcon_crossfit",),
    "evaluate": ("models/metrics/ensemble.json",),
    "ensemble": ("models/ensemble",),
    "promote": ("models/champion.json",),
    "find-errors": ("data/label_errors.parquet",),
    "worklist": ("data/reports/worklist",),
    "predict": ("data/predictions",),
    "monitor": ("models/champion.json",),
}


SLOW_TO_IMPORT = (
    "dagster_project.definitions",
    "dagster_project.learning.ensembling.export",
    "dagster_project.learning.pretraining.encoder",
    "dagster_project.label_quality.label_errors.find",
    "dagster_project.label_quality.review.worklist",
    "dagster_project.operations.monitoring.drift",
    "dagster_project.intake.validation.validate",
)


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_in_any_stage_keeps_the_last_good_state_and_a_rerun_completes(
    stage: str, learned: Paths, hospital: Path, tmp_path: Path, raytruth
) -> None:
    copy = Paths(tmp_path / "copy")
    shutil.copytree(learned.root, copy.root, symlinks=True)
    words = stage.split()
    if stage == "ingest":  # a batch of its own, so that there is work to interrupt
        words += [str(hospital / "dicom"), "--batch", "again"]
    if words[0] == "pretrain":  # other settings, so that the encoder is not up to date
        quick = re.sub(r"learning_rate: 0\.\d+", "learning_rate: 0.003", copy.settings.read_text())
        copy.settings.write_text(re.sub(r"epochs: \d+", "epochs: 2", quick))
    before = {path: content_hash(copy.root / path) for path in STAGES[stage]}
    for module in SLOW_TO_IMPORT:  # the stage is to be interrupted, no import
        import_module(module)
    interrupt = threading.Timer(
        0.02 if stage in ("promote", "monitor") else 0.15, os.kill, (os.getpid(), signal.SIGINT)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dagster_project.intake.root.open_root", lambda *a: interrupt.start() or open_root(*a))
        done = raytruth(*words, root=copy.root)
    interrupt.cancel()
    assert done.returncode == 130, done.stderr
    assert "Stopped. Finished work is kept" in " ".join(done.stderr.split())
    for path, content in before.items():
        assert content_hash(copy.root / path) == content, path
    again = raytruth(*words, root=copy.root)
    assert again.returncode == 0, again.stderr
