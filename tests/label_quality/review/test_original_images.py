"""Originals come from the archive's file if it can be reached and is unchanged, and from memory after that."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.dicoms import image, radiograph, save
from support.reviewing import ranked_root

from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.original_image import Original
from dagster_project.intake.root import Root
from dagster_project.label_quality.review import original_images as module
from dagster_project.label_quality.review.card_metadata import headers_of
from dagster_project.label_quality.review.cards import load_worklist
from dagster_project.label_quality.review.original_images import OriginalImages, open_original_images
from dagster_project.label_quality.review.worklist import build_worklist

pytestmark = pytest.mark.slow

FILES = 4


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "root")
    build_worklist(Root(paths, ranked_root(paths, 6, files=FILES)))
    return paths


def opened(paths: Paths) -> OriginalImages | None:
    from dagster_project.core.settings.settings import load_settings

    return open_original_images(paths, load_settings(paths.settings).ingestion, headers_of(paths, load_worklist(paths)))


@pytest.fixture
def originals(paths: Paths) -> Iterator[OriginalImages]:
    originals = opened(paths)
    yield originals
    originals.close()


def test_an_original_is_the_file_as_it_is_and_what_cannot_be_had_is_said_without_naming_it(
    paths: Paths, originals: OriginalImages
) -> None:
    first, second, third, fourth, unknown, _ = load_worklist(paths).cards
    export = paths.root.parent / "export"
    (export / "IM1.dcm").unlink()
    save(radiograph(2, pixels=image(9, (500, 400))), export / "IM2.dcm")
    (export / "IM3.dcm").write_bytes(b"DICM")
    found = originals(first)
    assert isinstance(found, Original)
    assert (found.rows, found.columns) == (500, 400)
    assert originals(second) == "its file was moved or deleted"
    assert originals(third) == "its file was changed"
    assert originals(fourth) == "its file: named as a DICOM file, but the content is not DICOM"
    assert originals(unknown) == originals("../../x") == "the path of its file is not known here"


def test_what_was_read_is_kept_in_memory_up_to_a_bound_and_nowhere_else(
    paths: Paths, originals: OriginalImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(paths.root.rglob("*"))
    first, second, third = list(load_worklist(paths).cards)[:3]
    size = len(originals(first).jpeg)
    assert originals(first) is originals(first)
    monkeypatch.setattr(module, "_KEPT", int(2.5 * size))
    kept = originals(second)
    originals(first)  # asked for last: stays
    originals(third)
    assert originals(second) is not kept
    assert set(paths.root.rglob("*")) == before


def test_several_may_ask_at_once(paths: Paths, originals: OriginalImages, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = list(load_worklist(paths).cards)[:FILES]
    monkeypatch.setattr(module, "_KEPT", 1)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(originals, ids * 5))
    assert all(isinstance(original, Original) for original in found)


def test_without_the_private_folder_there_are_none(paths: Paths) -> None:
    paths.identities.unlink()
    assert opened(paths) is None
