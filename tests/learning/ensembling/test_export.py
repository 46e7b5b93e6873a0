"""The exported model: complete in one file, equal to torch on real images, and published only if it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from support.archive import pattern
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import content_hash, read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import reduced
from dagster_project.learning.encoders.onnx_export import to_onnx
from dagster_project.learning.ensembling import export as module
from dagster_project.learning.ensembling.champion import load_champion
from dagster_project.learning.ensembling.champion_store import champion_folder, champion_hash
from dagster_project.learning.ensembling.export import check_onnx, export_champion
from dagster_project.learning.ensembling.model import Model
from dagster_project.learning.ensembling.onnx_model import _AreaAverage, load_onnx_model, write_onnx


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


@pytest.fixture(scope="module")
def model(trained: Trained) -> Model:
    return load_champion(Root(trained.paths, trained.settings))


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "deep" / "model"
    export_champion(Root(trained.paths, trained.settings), folder)
    return folder


def images(count: int, side: int = 64) -> np.ndarray:
    return np.stack([pattern(k % 6, np.random.default_rng(k), side) for k in range(count)])


@pytest.mark.parametrize(("count", "side"), [(1, 64), (7, 32), (300, 64), (5, 24)])
def test_any_number_of_images_and_any_side_give_what_torch_gives(
    exported: Path, model: Model, count: int, side: int
) -> None:
    seen = images(count, side)
    ours, theirs = model.predict(seen), load_onnx_model(exported / "model.onnx").predict(seen)
    np.testing.assert_allclose(theirs.probabilities, ours.probabilities, atol=1e-5)
    np.testing.assert_allclose(theirs.embeddings, ours.embeddings, atol=1e-4)
    np.testing.assert_allclose(theirs.member_agreement, ours.member_agreement, atol=1e-6)
    np.testing.assert_allclose(theirs.ood_score, ours.ood_score, atol=1 / 200)
    assert ours.ood_score.std() > 0.1 or count < 10, "images of every kind were compared"


@pytest.mark.parametrize("side", [16, 48, 50, 64, 100, 256])
def test_where_encoders_read_different_sides_the_onnx_model_reduces_images_as_torch_does(side: int) -> None:
    example = {"images": torch.zeros(2, 64, 64, dtype=torch.uint8)}
    written = to_onnx(_AreaAverage(48), example, ["reduced"], free_axes={"images": (0, 1, 2)})
    session = onnxruntime.InferenceSession(written.SerializeToString())
    seen = np.random.default_rng(side).integers(0, 256, (20, side, side), dtype=np.uint8)
    np.testing.assert_array_equal(session.run(["reduced"], {"images": seen})[0], reduced(seen, 48))


def test_a_class_that_had_no_images_and_a_sole_member_are_no_trouble(model: Model, tmp_path: Path) -> None:
    head = model.members[0].head
    bias = head.bias.copy()
    bias[1] = -1e4
    sole = replace(model, members=(replace(model.members[0], weight=1.0, head=replace(head, bias=bias)),))
    write_onnx(tmp_path / "sole.onnx", sole, {})
    assert check_onnx(tmp_path / "sole.onnx", sole, images(20)).probabilities < 1e-5
    assert load_onnx_model(tmp_path / "sole.onnx").predict(images(20)).probabilities[:, 1].max() == 0


def test_the_folder_holds_model_card_and_page_and_says_how_far_it_is_from_torch(
    exported: Path, trained: Trained
) -> None:
    assert {p.name for p in exported.iterdir()} == {"model.onnx", "card.json", "README.md"}
    card, page = read_json(exported / "card.json"), (exported / "README.md").read_text()
    assert card["model_version"] == champion_hash(trained.paths)
    assert card["training_set"] == content_hash(trained.paths.training_set)
    assert card["onnx_against_torch"]["images"] == 168
    assert 0 <= card["onnx_against_torch"]["probabilities"] < 1e-5
    assert page.startswith((champion_folder(trained.paths) / "README.md").read_text())
    assert f"difference to torch is {card['onnx_against_torch']['probabilities']:.1e}" in page.replace("\n", " ")
    assert load_onnx_model(exported / "model.onnx").regions == tuple(card["regions"])


def test_the_same_champion_gives_the_same_file(exported: Path, trained: Trained, tmp_path: Path) -> None:
    export_champion(Root(trained.paths, trained.settings), tmp_path / "again")
    assert content_hash(tmp_path / "again") == content_hash(exported)


def test_an_export_that_differs_from_torch_is_not_published(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slightly_wrong(path: Path, model: Model, card: dict[str, object]) -> None:
        first, *others = model.members
        members = (replace(first, temperature=first.temperature * 1.01), *others)
        write_onnx(path, replace(model, members=members), card)

    monkeypatch.setattr(module, "write_onnx", slightly_wrong)
    with pytest.raises(RayTruthError, match="differ from torch"):
        export_champion(Root(trained.paths, trained.settings), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_other_files_is_left_alone_and_an_earlier_export_is_replaced(
    trained: Trained, tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_text("an earlier export")
    export_champion(Root(trained.paths, trained.settings), tmp_path)
    assert (tmp_path / "model.onnx").exists()
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RayTruthError, match="other files"):
        export_champion(Root(trained.paths, trained.settings), tmp_path)
    with pytest.raises(RayTruthError, match="other files"):
        export_champion(Root(trained.paths, trained.settings), tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("kind", ["missing", "folder", "no model", "cut off", "another's"])
def test_a_file_that_is_no_such_model_is_refused_in_plain_words(exported: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "CANARY.onnx"
    if kind == "folder":
        path.mkdir()
    elif kind == "no model":
        path.write_text("no model")
    elif kind == "cut off":
        content = (exported / "model.onnx").read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif kind == "another's":
        other = onnx.load(exported / "model.onnx")
        del other.metadata_props[:]
        onnx.save(other, path)
    with pytest.raises(RayTruthError, match="ONNX model cannot be read") as error:
        load_onnx_model(path)
    assert "CANARY" not in str(error.value)
    assert "raytruth export-onnx" in error.value.do
