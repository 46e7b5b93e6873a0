"""An encoder is complete in its folder, of whatever kind; evaluation, ensemble, export and audit take it as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from support import other_encoder
from support.archive import pattern
from support.encoders import REFERENCE
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import content_hash, read_json, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.schema import KEY, SCHEMA
from dagster_project.intake.root import Root
from dagster_project.learning.encoders import encoder as module
from dagster_project.learning.encoders.encoder import load_encoder, open_encoder
from dagster_project.learning.ensembling.ensemble import build_ensemble
from dagster_project.learning.ensembling.export import check_onnx
from dagster_project.learning.ensembling.model import load_model
from dagster_project.learning.ensembling.onnx_model import write_onnx
from dagster_project.learning.evaluation.linear_evaluation import evaluate
from dagster_project.learning.shortcut_audit.audit import audit_shortcuts

IMAGES = np.stack([pattern(k % 5, np.random.default_rng(k)) for k in range(12)])


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


@pytest.fixture(scope="module")
def root(trained: Trained) -> Root:
    return Root(trained.paths, trained.settings)


def test_it_says_what_it_reads_and_gives(root: Root) -> None:
    encoder = open_encoder(root, REFERENCE)
    found = encoder.embed(IMAGES)
    assert (found.shape, found.dtype) == ((12, encoder.embedding_size), np.float32)
    assert encoder.image_size == 48, "one and a half of the profile's 32"
    assert encoder.fingerprint == encoder.card["weights"]
    assert encoder.about.startswith("a ResNet of basic blocks [1, 1, 1, 1] with 8 channels in the first stage (")
    np.testing.assert_array_equal(encoder.on("cpu").embed(IMAGES), found)


def test_saved_and_read_again_it_is_the_same(root: Root, tmp_path: Path) -> None:
    encoder = open_encoder(root, REFERENCE)
    encoder.save(tmp_path / "copy")
    again = load_encoder(tmp_path / "copy", "cpu")
    assert (again.fingerprint, again.card) == (encoder.fingerprint, encoder.card)
    np.testing.assert_array_equal(again.embed(IMAGES), encoder.embed(IMAGES))
    other = open_encoder(root, "encoder_byol")
    assert other.fingerprint != encoder.fingerprint


@pytest.mark.parametrize(("count", "side"), [(1, 48), (5, 64), (3, 20)])
def test_its_onnx_gives_its_embeddings_for_any_number_and_side(root: Root, count: int, side: int) -> None:
    encoder = open_encoder(root, REFERENCE)
    session = onnxruntime.InferenceSession(encoder.to_onnx().SerializeToString())
    images = np.stack([pattern(k % 5, np.random.default_rng(k), side) for k in range(count)])
    images = images if side <= encoder.image_size else images[:, ::2, ::2].copy()
    (found,) = session.run(["embeddings"], {"images": images})
    np.testing.assert_allclose(found, encoder.embed(images), atol=1e-4)


def test_an_encoder_of_another_network_than_the_profile_s_is_refused(root: Root) -> None:
    wide = root.settings.learning.model_copy(update={"width": 16})
    changed = Root(root.paths, root.settings.model_copy(update={"profiles": {"quick": wide}}))
    with pytest.raises(RayTruthError, match="another size") as error:
        open_encoder(changed, REFERENCE)
    assert error.value.where == REFERENCE


@pytest.mark.parametrize(
    "card",
    [{"kind": "moco"}, {}, {"kind": "resnet", KEY: SCHEMA}, {"kind": "resnet", "settings": {}, KEY: SCHEMA}, [1]],
)
def test_a_card_of_no_kind_that_is_known_is_refused_in_plain_words(root: Root, tmp_path: Path, card: object) -> None:
    open_encoder(root, REFERENCE).save(tmp_path / "encoder")
    write_json(tmp_path / "encoder" / "card.json", card)
    with pytest.raises(RayTruthError, match="another version") as error:
        load_encoder(tmp_path / "encoder", "cpu")
    assert error.value.where == "encoder/card.json"


def test_an_encoder_of_another_schema_is_refused(root: Root, tmp_path: Path) -> None:
    encoder = open_encoder(root, REFERENCE)
    encoder.save(tmp_path / "encoder")
    write_json(tmp_path / "encoder" / "card.json", {name: value for name, value in encoder.card.items() if name != KEY})
    with pytest.raises(RayTruthError, match="older version"):
        load_encoder(tmp_path / "encoder", "cpu")


def test_an_encoder_that_was_not_trained_here_is_evaluated_chosen_saved_audited_and_exported(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.KINDS, "projection", other_encoder.load)
    copy = trained.copied_to(tmp_path / "copy")
    root = Root(copy.paths, copy.settings)
    folder = root.paths.encoder("encoder_byol")
    for path in folder.iterdir():
        path.unlink()
    other_encoder.made(folder)
    evaluate(root)
    build_ensemble(root)
    model = load_model(root.paths.ensemble)
    assert model.encoders["encoder_byol"].about == "a fixed projection"
    card = read_json(root.paths.ensemble / "card.json")
    assert card["encoders"]["encoder_byol"] == content_hash(folder / "weight.npy")
    assert "a fixed projection" in (root.paths.ensemble / "README.md").read_text()
    assert audit_shortcuts(root).images > 0
    write_onnx(tmp_path / "model.onnx", model, {})
    small = IMAGES[:, ::4, ::4].copy()  # 16 px, which no encoder reduces
    assert check_onnx(tmp_path / "model.onnx", model, small).probabilities < 1e-4
