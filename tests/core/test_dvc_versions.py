"""Committing a stage to DVC: its status is clean, its hashes are DVC's, and an older version comes back."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir
from multiprocessing import get_context
from pathlib import Path

import pytest
from dvc.repo import Repo
from support.archive import patients_of, put_batch, write_regions
from support.roots import settings_of, small_root

from dagster_project.core.atomic_io import content_hash, read_table, write_table
from dagster_project.core.dvc_versions import commit_stage, version_of
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import Verdict, append_verdicts, update_corrected_labels
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import build_training_set


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return small_root(tmp_path / "root", write_regions(tmp_path / "regions.yaml"))


def say(paths: Paths, image: str) -> None:
    append_verdicts(paths, [Verdict(image, "wrong_label", "hand", "knee", "hand", "Dr A")], ("hand", "knee"))
    update_corrected_labels(paths)


def status(paths: Paths, stage: str) -> dict:
    with chdir(paths.root), Repo() as repo:
        return repo.status(targets=[stage])


def commit_in_process(root: Path) -> dict[str, str]:
    return commit_stage(Paths(root), "corrected_labels")


def test_a_committed_stage_is_clean_and_a_change_is_not(paths: Paths) -> None:
    say(paths, "a")
    assert status(paths, "corrected_labels") != {}
    commit_stage(paths, "corrected_labels")
    assert status(paths, "corrected_labels") == {}
    write_table(paths.corrected_labels, read_table(paths.corrected_labels).iloc[:0])
    assert status(paths, "corrected_labels") != {}


def test_a_stage_that_dvc_yaml_lacks_is_refused_and_says_what_to_do(paths: Paths) -> None:
    with pytest.raises(RayTruthError, match=r"dvc\.yaml has no stage encoder_moco") as error:
        commit_stage(paths, "encoder_moco")
    assert "docs/machine-learning.md" in error.value.do


@pytest.mark.slow
def test_the_training_set_s_stage_is_clean_after_a_build_outside_dvc(paths: Paths) -> None:
    put_batch(paths, "b", *patients_of([0, 1, 2] * 6, 1))
    paths.quarantine_dir.mkdir()
    update_corrected_labels(paths)
    commit_stage(paths, "corrected_labels")
    build_training_set(Root(paths, settings_of(paths)))
    versions = commit_stage(paths, "training_set")
    assert status(paths, "training_set") == {}
    assert set(versions) >= {"data/training_set.parquet", "data/splits.parquet"}


@pytest.mark.slow
def test_the_versions_are_dvc_s_own_and_bring_the_old_file_back(paths: Paths) -> None:
    say(paths, "a")
    first = commit_stage(paths, "corrected_labels")["data/corrected_labels.parquet"]
    content = paths.corrected_labels.read_bytes()
    lock = (paths.root / "dvc.lock").read_bytes()
    assert first in lock.decode()
    say(paths, "b")
    second = commit_stage(paths, "corrected_labels")["data/corrected_labels.parquet"]
    assert second != first
    (paths.root / "dvc.lock").write_bytes(lock)
    with chdir(paths.root), Repo() as repo:
        repo.checkout(targets=["corrected_labels"], force=True)
    assert paths.corrected_labels.read_bytes() == content


def test_files_in_an_output_folder_have_versions_too(paths: Paths) -> None:
    put_batch(paths, "b", *patients_of([0, 1, 2] * 6, 1))
    versions = commit_stage(paths, "metadata_checks")
    assert set(versions) == {"data/validation", "data/validation/b.json"}
    assert version_of(paths, paths.validation("b"), versions) == versions["data/validation/b.json"]


def test_the_current_folder_is_left_as_it_was(paths: Paths, tmp_path: Path) -> None:
    say(paths, "a")
    with chdir(tmp_path):
        commit_stage(paths, "corrected_labels")
        assert Path.cwd() == tmp_path


@pytest.mark.slow
def test_two_processes_that_commit_at_once_wait_for_each_other(paths: Paths) -> None:
    say(paths, "a")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(commit_in_process, [paths.root] * 2))
    assert found[0] == found[1]
    assert status(paths, "corrected_labels") == {}


def test_without_dvc_nothing_is_versioned_and_the_content_hash_stands_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = Paths(tmp_path)
    update_corrected_labels(paths)
    logging.getLogger("raytruth").propagate = True
    with caplog.at_level(logging.WARNING, "raytruth"):
        assert commit_stage(paths, "corrected_labels") == {}
    assert "nothing is versioned" in caplog.text
    assert version_of(paths, paths.corrected_labels, {}) == content_hash(paths.corrected_labels)


def test_importing_it_turns_dvc_s_analytics_off() -> None:
    assert os.environ["DVC_NO_ANALYTICS"] == "1"
    from dvc.analytics import is_enabled

    assert not is_enabled()
