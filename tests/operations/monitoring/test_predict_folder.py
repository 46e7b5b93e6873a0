"""Scoring a folder: block by block, as the champion predicts a batch, by torch or ONNX, and a table whole or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from pyarrow.parquet import ParquetFile
from support.archive import REGIONS, pattern
from support.dicoms import radiograph, save
from support.exports import IMAGES, write_mixed_export
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.ingestion.batch.folder_reader import FolderImage
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.root import Root
from dagster_project.learning.ensembling.export import export_champion
from dagster_project.learning.ensembling.model import Model, Predictions
from dagster_project.operations.monitoring import predict_folder as module
from dagster_project.operations.monitoring.predict import predict_batch
from dagster_project.operations.monitoring.predict_folder import predict_folder

COLUMNS = ["sop_instance_uid", "region", "confidence", "ood_score", *REGIONS]
COUNT = 23


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


@pytest.fixture(scope="module")
def onnx_file(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_champion(Root(trained.paths, trained.settings), folder)
    return folder / "model.onnx"


class Folder:
    """A folder as `read_folder` gives it; remembers how many images were taken out of it."""

    def __init__(self, breaks_after: int | None = None) -> None:
        self.taken, self.breaks_after, self.closed = 0, breaks_after, False

    def __call__(self, root: object, source: Path, left_out: Counter[str]) -> Generator[FolderImage]:
        try:
            for number in range(COUNT):
                if number == self.breaks_after:
                    raise OSError("the network drive is gone")
                self.taken += 1
                yield FolderImage(f"1.2.{number}", pattern(number % 5, np.random.default_rng(number)))
            left_out["not_dicom"] += 3
        finally:
            self.closed = True


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Folder:
    folder = Folder()
    monkeypatch.setattr(module, "read_folder", folder)
    return folder


def test_a_folder_gets_what_its_images_get_as_a_batch(trained: Trained, onnx_file: Path, tmp_path: Path) -> None:
    root, source, out = trained.copied_to(tmp_path / "root"), tmp_path / "CANARYSOURCE", tmp_path / "out.parquet"
    write_mixed_export(source)
    summary = predict_folder(root.open(), source, out)
    ingest(root.open(), source, "batch")
    expected = predict_batch(root.open(), "batch")
    known = read_table(root.paths.identities).set_index("image_id")["sop_instance_uid"]
    table = read_table(out)
    assert list(table) == COLUMNS
    assert table["sop_instance_uid"].tolist() == known[expected["image_id"]].tolist()
    assert table["region"].tolist() == expected["region"].tolist()
    for ours, theirs in (
        ("confidence", "confidence"),
        ("ood_score", "ood_score"),
        *zip(REGIONS, REGIONS, strict=True),
    ):
        np.testing.assert_allclose(table[ours], expected[theirs], atol=1e-6)
    assert summary.regions == expected["region"].value_counts().to_dict()
    assert summary.images == IMAGES
    assert summary.left_out["uid_conflict"] == summary.left_out["duplicate_file"] == summary.left_out["not_dicom"] == 1


def test_onnx_and_torch_write_the_same_table(trained: Trained, onnx_file: Path, folder: Folder, tmp_path: Path) -> None:
    tables = []
    for name, model_file in (("torch", None), ("onnx", onnx_file)):
        summary = predict_folder(Root(trained.paths, trained.settings), tmp_path, tmp_path / name, model_file)
        assert (summary.images, summary.left_out) == (COUNT, {"not_dicom": 3})
        tables.append(read_table(tmp_path / name))
    torch_s, onnx_s = tables
    assert list(torch_s) == list(onnx_s) == COLUMNS
    assert torch_s[["sop_instance_uid", "region"]].equals(onnx_s[["sop_instance_uid", "region"]])
    np.testing.assert_allclose(torch_s[list(REGIONS)], onnx_s[list(REGIONS)], atol=1e-5)
    np.testing.assert_allclose(torch_s["ood_score"], onnx_s["ood_score"], atol=1 / 200)


def test_no_more_than_a_block_is_held_and_blocks_change_nothing(
    trained: Trained, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_folder(Root(trained.paths, trained.settings), tmp_path, tmp_path / "whole")
    predicted: list[int] = []
    original = Model.predict

    def watched(self: Model, images: np.ndarray) -> Predictions:
        predicted.append(len(images))
        assert folder.taken == sum(predicted), "nothing is read before what was read is predicted"
        return original(self, images)

    folder.taken = 0
    monkeypatch.setattr(Model, "predict", watched)
    monkeypatch.setattr(module, "_BLOCK", 5)
    predict_folder(Root(trained.paths, trained.settings), tmp_path, tmp_path / "blocks")
    assert predicted == [5, 5, 5, 5, 3]
    assert ParquetFile(tmp_path / "blocks").num_row_groups == 5, "each block is written when it is predicted"
    whole, blocks = read_table(tmp_path / "whole"), read_table(tmp_path / "blocks")
    assert whole[["sop_instance_uid", "region"]].equals(blocks[["sop_instance_uid", "region"]])
    np.testing.assert_allclose(whole[list(REGIONS)], blocks[list(REGIONS)], atol=1e-6)


@pytest.mark.parametrize("there", [True, False], ids=["an old table", "none"])
def test_a_failure_midway_leaves_the_old_table_or_none(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    folder, out = Folder(breaks_after=12), tmp_path / "out" / "predictions.parquet"
    out.parent.mkdir()
    if there:
        out.write_text("old")
    monkeypatch.setattr(module, "read_folder", folder)
    monkeypatch.setattr(module, "_BLOCK", 5)
    with pytest.raises(OSError, match="drive is gone"):
        predict_folder(Root(trained.paths, trained.settings), tmp_path, out)
    assert folder.closed
    assert [p.name for p in out.parent.iterdir()] == (["predictions.parquet"] if there else [])
    assert not there or out.read_text() == "old"


def test_a_model_that_fails_midway_ends_the_reading_too(
    trained: Trained, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(self: Model, images: np.ndarray) -> Predictions:
        raise MemoryError

    monkeypatch.setattr(Model, "predict", out_of_memory)
    with pytest.raises(MemoryError):
        predict_folder(Root(trained.paths, trained.settings), tmp_path, tmp_path / "out.parquet")
    assert folder.closed
    assert list(tmp_path.iterdir()) == []


def test_nothing_usable_leaves_no_table(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    save(radiograph(1, Modality="CT"), tmp_path / "source" / "ct.dcm")
    (tmp_path / "out").mkdir()
    root = trained.copied_to(tmp_path / "root")
    with pytest.raises(RayTruthError, match="1 other_modality"):
        predict_folder(root.open(), tmp_path / "source", tmp_path / "out" / "predictions.parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_where_no_table_can_stand_is_said_before_anything_is_read(
    trained: Trained, folder: Folder, tmp_path: Path
) -> None:
    for out, what in ((tmp_path / "nowhere" / "p.parquet", "folder that does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(RayTruthError, match=what):
            predict_folder(Root(trained.paths, trained.settings), tmp_path, out)
    assert folder.taken == 0


def test_a_model_of_other_regions_than_the_root_s_is_refused(
    trained: Trained, onnx_file: Path, folder: Folder, tmp_path: Path
) -> None:
    root = trained.copied_to(tmp_path / "root")
    path = root.paths.root / root.settings.regions
    path.write_text(path.read_text().replace("foot:", "forefoot:"))
    for model_file in (onnx_file, None):
        with pytest.raises(RayTruthError, match="only the model has foot; the model lacks forefoot"):
            predict_folder(root.open(), tmp_path, tmp_path / "out.parquet", model_file)
    assert folder.taken == 0
