"""The second pass in staging: images at their places, and blocks that are done are not done again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.dicoms import radiograph, save
from support.readers import PIXELS, SIDE, source_file

from dagster_project.intake.ingestion.batch import staged_pixels
from dagster_project.intake.ingestion.batch.staged_pixels import (
    StagedImage,
    copy_images,
    read_pixels,
    staged_images,
)
from dagster_project.intake.ingestion.headers.sandbox import Limits
from dagster_project.intake.ingestion.headers.sources import SourceFile

LIMITS = Limits(1, 2048, 60)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[SourceFile]:
    """Seven files, the third of them broken, in blocks of three."""
    monkeypatch.setattr(staged_pixels, "_BLOCK", 3)
    paths = [save(radiograph(i), tmp_path / "source" / f"{i}.dcm") for i in range(7)]
    paths[2].write_bytes(paths[2].read_bytes()[:6000])
    return [source_file(path) for path in paths]


def read(files: list[SourceFile], staging: Path) -> list[StagedImage]:
    staging.mkdir(exist_ok=True)
    return list(read_pixels(files, PIXELS, LIMITS, staging))


@pytest.mark.slow
def test_every_image_stands_at_its_place_and_a_refused_one_leaves_its_place_dark(
    files: list[SourceFile], tmp_path: Path
) -> None:
    staged = read(files, tmp_path / "staging")
    images = staged_images(tmp_path / "staging")
    assert [p.place for p in staged] == [0, 1, None, 3, 4, 5, 6]
    assert (images.shape, images.dtype) == ((7, SIDE, SIDE), np.uint8)
    assert staged[2].reasons == ["pixels_short"]
    for i, file in enumerate(files):
        found = PIXELS(file)
        expected = np.zeros((SIDE, SIDE)) if found.image is None else found.image
        np.testing.assert_array_equal(images[i], expected)
        assert (staged[i].pixel_digest, staged[i].file_digest) == (found.pixel_digest, found.file_digest)


@pytest.mark.slow
def test_a_second_run_takes_everything_from_staging(files: list[SourceFile], tmp_path: Path) -> None:
    first = read(files, tmp_path / "staging")
    for file in files:
        Path(file.path).unlink()
    assert read(files, tmp_path / "staging") == first


@pytest.mark.slow
def test_an_interrupted_run_does_the_missing_blocks_only_and_ends_with_the_same(
    files: list[SourceFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read(files, tmp_path / "whole")
    original = staged_pixels.contained_map

    def breaks_off(*args: object, **options: object) -> Iterator[object]:
        for number, result in enumerate(original(*args, **options)):  # type: ignore[arg-type]
            if number == 4:
                raise KeyboardInterrupt
            yield result

    with monkeypatch.context() as patch:
        patch.setattr(staged_pixels, "contained_map", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            read(files, tmp_path / "broken")
    Path(files[0].path).unlink()  # of the first block, which is done
    assert read(files, tmp_path / "broken") == whole
    np.testing.assert_array_equal(staged_images(tmp_path / "broken"), staged_images(tmp_path / "whole"))


def test_no_files_give_no_images(tmp_path: Path) -> None:
    assert read([], tmp_path / "staging") == []
    assert staged_images(tmp_path / "staging").shape == (0, SIDE, SIDE)


@pytest.mark.slow
def test_a_shard_is_some_of_the_images_in_the_order_asked_for(files: list[SourceFile], tmp_path: Path) -> None:
    read(files, tmp_path / "staging")
    places = np.array([5, 0, 6])
    with (tmp_path / "shard.npy").open("wb") as shard:
        copy_images(tmp_path / "staging", places, shard)
    np.testing.assert_array_equal(np.load(tmp_path / "shard.npy"), staged_images(tmp_path / "staging")[places])
