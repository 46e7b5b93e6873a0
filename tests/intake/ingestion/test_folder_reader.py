"""Radiographs read to be predicted: as in a batch, but kept nowhere and one at a time."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.dicoms import image, radiograph, save
from support.exports import BATCH
from support.readers import PSEUDONYMS
from support.roots import settings_of

from dagster_project.core.atomic_io import content_hash, read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch import folder_reader as module
from dagster_project.intake.ingestion.batch.folder_reader import read_folder
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.ingestion.batch.pixel_reader import PixelRead, PixelReader
from dagster_project.intake.ingestion.batch.store import open_pixels
from dagster_project.intake.ingestion.headers.sources import SourceFile
from dagster_project.intake.root import Root


def test_images_and_instances_are_those_of_an_ingestion_and_the_root_stays_as_it_was(
    ingested: Paths, export: Path
) -> None:
    before, left_out = content_hash(ingested.root), Counter[str]()
    found = list(read_folder(Root(ingested, settings_of(ingested)), export, left_out))
    assert content_hash(ingested.root) == before
    expected = read_table(ingested.identities)
    assert [f.sop_instance_uid for f in found] == expected["sop_instance_uid"].tolist()
    np.testing.assert_array_equal(np.stack([f.image for f in found]), open_pixels(ingested, BATCH))
    assert left_out == {
        "duplicate_file": 1,
        "uid_conflict": 1,
        "other_modality": 1,
        "pixels_short": 1,
        "not_dicom_content": 1,
        "not_dicom": 1,
    }


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in the test's own process."""
    monkeypatch.setattr(module, "contained_map", lambda work, items, limits, **_: map(work, items))
    monkeypatch.setattr(module, "load_pseudonyms", lambda key: PSEUDONYMS)


@pytest.mark.usefixtures("here")
def test_of_one_instance_the_same_file_counts_as_in_an_ingestion_whatever_comes_first(
    empty_root: Paths, tmp_path: Path
) -> None:
    contents = [5, 5, 6, 7, 7, 7]
    for turn in range(len(contents)):
        for number, seed in enumerate(contents[turn:] + contents[:turn]):
            save(radiograph(1, pixels=image(seed)), tmp_path / f"{turn}" / f"{number}.dcm")
        save(radiograph(2), tmp_path / f"{turn}" / "9.dcm")
    summary = ingest(Root(empty_root, settings_of(empty_root)), tmp_path / "0", "batch")
    known = read_table(empty_root.identities)["sop_instance_uid"]
    for turn in range(len(contents)):
        left_out = Counter[str]()
        found = list(read_folder(Root(empty_root, settings_of(empty_root)), tmp_path / f"{turn}", left_out))
        assert summary.images == len(found) == 2
        images = {f.sop_instance_uid: f.image for f in found}
        for uid, kept in zip(known, open_pixels(empty_root, "batch"), strict=True):
            np.testing.assert_array_equal(images[uid], kept)
        assert left_out == {r: n for r, n in summary.reasons.items() if r in ("duplicate_file", "uid_conflict")}


@pytest.mark.usefixtures("here")
def test_no_more_files_are_read_than_images_are_asked_for(
    empty_root: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(8):
        save(radiograph(seed), tmp_path / "source" / f"{seed}.dcm")
    read: list[SourceFile] = []
    original = PixelReader.__call__

    def counted(self: PixelReader, file: SourceFile) -> PixelRead:
        read.append(file)
        return original(self, file)

    monkeypatch.setattr(PixelReader, "__call__", counted)
    images = read_folder(Root(empty_root, settings_of(empty_root)), tmp_path / "source", Counter())
    for asked in range(1, 5):
        next(images)
        assert len(read) <= asked + 1
    images.close()


def test_who_stops_listening_leaves_nothing_behind(empty_root: Paths, export: Path) -> None:
    before = sorted(empty_root.private.iterdir())
    images = read_folder(Root(empty_root, settings_of(empty_root)), export, Counter())
    next(images)
    (staging,) = set(empty_root.private.iterdir()) - set(before)
    assert staging.stat().st_mode & 0o077 == 0, "it holds identities"
    images.close()
    assert sorted(empty_root.private.iterdir()) == before
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("here")
def test_a_name_that_is_no_text_is_read(empty_root: Paths, tmp_path: Path) -> None:
    path = save(radiograph(1), tmp_path / "source" / "a.dcm")
    subprocess.run(["mv", path, os.fsencode(path.parent) + b"/caf\xe9.dcm"], check=True)
    assert len(list(read_folder(Root(empty_root, settings_of(empty_root)), path.parent, Counter()))) == 1


@pytest.mark.usefixtures("here")
def test_a_source_without_radiographs_is_an_error_that_counts_reasons(empty_root: Paths, tmp_path: Path) -> None:
    source = tmp_path / "CANARYSOURCE"
    source.mkdir()
    with pytest.raises(RayTruthError, match="empty"):
        list(read_folder(Root(empty_root, settings_of(empty_root)), source, Counter()))
    with pytest.raises(RayTruthError, match="not a folder"):
        list(read_folder(Root(empty_root, settings_of(empty_root)), source / "nowhere", Counter()))
    (source / "a.dcm").write_text("no image")
    (source / "b.txt").write_text("no image")
    with pytest.raises(RayTruthError, match="no usable radiograph") as error:
        list(read_folder(Root(empty_root, settings_of(empty_root)), source, Counter()))
    assert "1 not_dicom_content" in str(error.value)
    assert "CANARY" not in str(error.value)
