"""The ingestion's benchmarks: their images, their pairing, their high-water marks."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from support.work import SPIN, behave

from benchmarks.intake.decoders import grey_levels_off, reduced, ways_of
from benchmarks.intake.full_size import SYNTAXES, compressed, write_full_size
from benchmarks.intake.index_tables import STAGES, write_root
from benchmarks.intake.ingestion import (
    DECODE,
    MONAI,
    NOT_PLAIN,
    UNCLEAN,
    header_ways,
    image_ways,
    not_plain,
    whole_batches,
)
from benchmarks.intake.ingestion_memory import one_batch
from benchmarks.memory import watched
from benchmarks.paired import OURS, compare, processor_seconds
from benchmarks.results import shipped_settings
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.headers.fast_header import fast_header
from dagster_project.intake.ingestion.headers.sandbox import Limits, contained_map
from dagster_project.intake.root import Root

pytestmark = pytest.mark.slow

SHAPE = (150, 120)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_full_size(tmp_path_factory.mktemp("full") / "source", 3, shape=SHAPE)


def test_full_size_images_are_raw_different_and_the_same_again(files: list[Path], tmp_path: Path) -> None:
    again = write_full_size(tmp_path, 3, shape=SHAPE)
    images = [dcmread(path) for path in files]
    for ds, same in zip(images, again, strict=True):
        assert ds.pixel_array.shape == SHAPE
        assert (ds.BitsAllocated, ds.file_meta.TransferSyntaxUID.is_compressed) == (16, False)
        np.testing.assert_array_equal(ds.pixel_array, dcmread(same).pixel_array)
    assert len({ds.SOPInstanceUID for ds in images}) == len({ds.PixelData for ds in images}) == 3


@pytest.mark.parametrize("name", SYNTAXES)
def test_compressed_images_are_the_raw_ones_by_every_way(name: str, files: list[Path], tmp_path: Path) -> None:
    path = compressed(files[0], tmp_path / "a.dcm", SYNTAXES[name])
    assert dcmread(path).file_meta.TransferSyntaxUID == SYNTAXES[name]
    for way, decode in ways_of(SYNTAXES[name], shipped_settings().ingestion).items():
        if not way.startswith(("reduced", "whole")):
            np.testing.assert_array_equal(decode(path), dcmread(files[0]).pixel_array)


def test_a_reduced_image_is_smaller_and_almost_the_same(files: list[Path], tmp_path: Path) -> None:
    path = compressed(files[0], tmp_path / "a.dcm", SYNTAXES["JPEG 2000"])
    np.testing.assert_array_equal(reduced(path, 0), dcmread(files[0]).pixel_array)
    half = reduced(path, 1)
    assert half.shape == (75, 60)
    assert np.abs(half.mean() - dcmread(files[0]).pixel_array.mean()) < 20
    assert grey_levels_off([path], 1, shipped_settings().ingestion)["grey_levels_off_mean"] < 5


def test_ratios_are_the_first_ways_rate_over_the_others(tmp_path: Path) -> None:
    def busy(seconds: float) -> None:
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass

    command = [sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.2: pass"]
    ways = {OURS: lambda p: busy(0.02), "slow": lambda p: busy(0.1), "child": lambda p: subprocess.run(command)}
    table = compare(ways, [tmp_path, tmp_path], 2).set_index("way")
    assert table.loc[OURS, "ratio_median"] == 1
    assert table.loc["slow", "ratio_median"] == pytest.approx(5, rel=0.3)
    assert table.loc["child", "cpu_ms_median"] >= 200


def test_ours_and_the_peers_all_read_the_files(files: list[Path], tmp_path: Path) -> None:
    settings = shipped_settings().ingestion
    not_plain(files[0], tmp_path)
    ways = header_ways(settings, tmp_path)
    assert not fast_header(tmp_path / files[0].name, ("ProtocolName",))
    for way in (OURS, NOT_PLAIN):
        assert ways[way](files[0]).row  # type: ignore[attr-defined]
    table = compare(image_ways(settings, tmp_path), files, 1)
    assert {OURS, UNCLEAN, MONAI, DECODE} <= set(table["way"])
    assert (table["cpu_ms_median"] > 0).all()


@pytest.mark.slow
def test_whole_batches_hold_processor_time_and_wall_time(files: list[Path], tmp_path: Path) -> None:
    table = whole_batches(shipped_settings(), files[0].parent, tmp_path, len(files), 1)
    assert list(table["way"]) == [OURS, UNCLEAN]
    assert (table[["cpu_ms_median", "wall_ms_median"]] > 0).all(axis=None)


def test_the_processor_time_of_workers_counts() -> None:
    before = processor_seconds()
    list(contained_map(behave, [SPIN], Limits(workers=1, memory_mb=1024, seconds=4)))
    assert processor_seconds() - before > 0.5


def test_the_marks_are_of_this_process_and_of_its_children_apart() -> None:
    with watched() as peaks:
        hold = "import time; held = bytearray(200 << 20); time.sleep(1)"
        subprocess.run([sys.executable, "-S", "-c", hold], check=True)
    assert 200 <= peaks.child < 260
    assert peaks.own > 0


@pytest.mark.slow
def test_a_batch_of_small_files_is_ingested_whole() -> None:
    found = one_batch(70)
    assert found["images"] == 70
    assert found["parent_mb"] > 50 < found["worker_mb"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_runs_on_synthetic_headers(stage: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_root(root, 400)
    STAGES[stage](Root(Paths(root), shipped_settings().model_copy(update={"regions": "regions.yaml"})))
