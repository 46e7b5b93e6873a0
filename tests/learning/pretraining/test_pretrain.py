"""The encoders of a root: which images and labels each sees, what is kept, and when one is trained again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file
from support.archive import patients_of, put_batch, write_regions
from support.encoders import CROSSFIT, ENCODERS, SELF_SUPERVISED, with_method
from support.roots import settings_of, small_root
from support.trained import FIRST, Trained, trained_root

from dagster_project.core.atomic_io import content_hash, read_json, write_array, write_json, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import build_training_set, load_training_set
from dagster_project.learning.encoders.efficientnet import EfficientNetLite0
from dagster_project.learning.encoders.encoder import open_encoder
from dagster_project.learning.pretraining.encoder import pretrain_encoder
from dagster_project.learning.pretraining.methods import METHODS
from dagster_project.learning.pretraining.pretrain import pretrain

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


@pytest.fixture
def root(tmp_path: Path) -> tuple[Paths, Settings]:
    """A root with a training set of 36 patients and encoders that take one epoch."""
    changes = {f"profiles__quick__methods__{method}__epochs": 1 for method in ("simclr", "byol", "supcon")}
    paths = small_root(
        tmp_path / "root", write_regions(tmp_path / "r.yaml"), profiles__quick__methods__crossfit__epochs=1, **changes
    )
    put_batch(paths, "b", *patients_of([0, 1, 2] * 12, seed=3))
    build_training_set(Root(paths, settings_of(paths)))
    return paths, settings_of(paths)


def weights(paths: Paths, name: str) -> Path:
    return paths.encoder(name) / "weights.safetensors"


def with_mixed_labels(paths: Paths, rows: pd.Series | None = None) -> None:
    """Deal the labels of `rows` (bool; all) out anew among their images."""
    table = load_training_set(paths)
    chosen = np.ones(len(table), bool) if rows is None else rows.to_numpy()
    table.loc[chosen, "region"] = np.random.default_rng(0).permutation(table.loc[chosen, "region"].to_numpy(object))
    write_table(paths.training_set, table)


@pytest.mark.parametrize("method", [method.name for method in METHODS.values() if not method.sees_labels])
def test_a_method_that_sees_no_label_learns_the_same_from_others(root: tuple[Paths, Settings], method: str) -> None:
    paths, settings = root
    pretrain(Root(paths, settings), method)
    before = weights(paths, f"encoder_{method}").read_bytes()
    with_mixed_labels(paths)
    weights(paths, f"encoder_{method}").unlink()
    (paths.encoder(f"encoder_{method}") / "card.json").unlink()
    assert pretrain(Root(paths, settings), method)[0].labels == 0
    assert weights(paths, f"encoder_{method}").read_bytes() == before


def test_supcon_sees_the_training_split_s_labels_and_no_others(root: tuple[Paths, Settings]) -> None:
    paths, settings = root
    pretrain(Root(paths, settings), "supcon")
    before = content_hash(weights(paths, "encoder_supcon"))
    train = load_training_set(paths)["split"] == "train"
    for rows, same in ((~train, True), (train, False)):
        with_mixed_labels(paths, rows)
        (paths.encoder("encoder_supcon") / "card.json").unlink()
        pretrain(Root(paths, settings), "supcon")
        assert (content_hash(weights(paths, "encoder_supcon")) == before) is same


def test_no_encoder_sees_a_image_of_the_validation_or_test_split(root: tuple[Paths, Settings]) -> None:
    paths, settings = root
    table = load_training_set(paths)
    pretrain(Root(paths, settings), "simclr")
    before = weights(paths, "encoder_simclr").read_bytes()
    shard = np.load(paths.pixels("b"))
    shard[table.loc[table["split"] != "train", "row"]] = 0
    write_array(paths.pixels("b"), shard)
    (paths.encoder("encoder_simclr") / "card.json").unlink()
    assert pretrain(Root(paths, settings), "simclr")[0].images == (table["split"] == "train").sum()
    assert weights(paths, "encoder_simclr").read_bytes() == before


def test_an_excluded_copy_is_not_learned_from(root: tuple[Paths, Settings]) -> None:
    paths, settings = root
    table = load_training_set(paths)
    first = table.index[table["split"] == "train"][0]
    table.loc[first, "exclusion"] = "split_leakage"
    write_table(paths.training_set, table)
    assert pretrain(Root(paths, settings), "simclr")[0].images == (table["split"] == "train").sum() - 1
    everyone = [pretrain_encoder(Root(paths, settings), f"{CROSSFIT}/fold_{k}").images for k in range(3)]
    assert sum(everyone) == 2 * (len(table) - 1)


def test_an_encoder_of_these_images_and_settings_is_kept(root: tuple[Paths, Settings]) -> None:
    paths, settings = root
    first = pretrain(Root(paths, settings), "byol")[0]
    stamp = weights(paths, "encoder_byol").stat().st_mtime_ns
    again = pretrain(Root(paths, settings), "byol")[0]
    assert weights(paths, "encoder_byol").stat().st_mtime_ns == stamp
    assert (again.images, again.labels) == (first.images, first.labels)
    assert again.curve == pytest.approx(first.curve, abs=1e-6)


@pytest.mark.parametrize("change", ["setting", "seed", "image", "tampered weights"])
def test_it_is_trained_again_if_anything_changed_that_decides_the_weights(
    root: tuple[Paths, Settings], change: str
) -> None:
    paths, settings = root
    pretrain(Root(paths, settings), "simclr")
    path = weights(paths, "encoder_simclr")
    before, stamp = content_hash(path), path.stat().st_mtime_ns
    if change == "setting":
        quick = with_method(settings.learning, "simclr", learning_rate=0.002)
        settings = settings.model_copy(update={"profiles": {"quick": quick}})
    elif change == "seed":
        settings = settings.model_copy(update={"seed": 1})
    elif change == "image":
        table = load_training_set(paths)
        shard = np.load(paths.pixels("b"))
        shard[table.loc[table["split"] == "train", "row"]] //= 2
        write_array(paths.pixels("b"), shard)
    else:
        path.write_bytes(b"x")
    pretrain(Root(paths, settings), "simclr")
    assert path.stat().st_mtime_ns != stamp
    assert (content_hash(path) == before) is (change == "tampered weights")


def test_another_method_s_settings_do_not_matter(root: tuple[Paths, Settings]) -> None:
    paths, settings = root
    pretrain(Root(paths, settings), "simclr")
    stamp = weights(paths, "encoder_simclr").stat().st_mtime_ns
    quick = with_method(with_method(settings.learning, "byol", epochs=7), "crossfit", epochs=9)
    pretrain(Root(paths, settings.model_copy(update={"profiles": {"quick": quick}})), "simclr")
    assert weights(paths, "encoder_simclr").stat().st_mtime_ns == stamp


def test_the_card_tells_what_batch_there_were_images_for(root: tuple[Paths, Settings]) -> None:
    paths, settings = root
    quick = settings.learning.model_copy(update={"batch_size": 512, "micro_batch_size": 16})
    (summary,) = pretrain(Root(paths, settings.model_copy(update={"profiles": {"quick": quick}})), "simclr")
    card = read_json(paths.encoder("encoder_simclr") / "card.json")
    assert card["settings"]["batch_size"] == 512
    assert card["batch_size"] == summary.images < 512
    assert card["micro_batch_size"] <= 16
    assert card["processes"] == 1


def test_an_unknown_method_is_refused_with_the_known_ones(root: tuple[Paths, Settings]) -> None:
    with pytest.raises(RayTruthError, match="moco") as error:
        pretrain(Root(*root), "moco")
    assert error.value.do == f"choose one of {', '.join((*METHODS, 'crossfit'))}"


def test_a_fold_s_encoder_goes_when_there_are_fewer_folds(root: tuple[Paths, Settings]) -> None:
    paths, settings = root
    stale = paths.encoder(CROSSFIT) / "fold_3"
    stale.mkdir(parents=True)
    pretrain(Root(paths, settings), "crossfit")
    assert sorted(p.name for p in paths.encoder(CROSSFIT).iterdir()) == ["fold_0", "fold_1", "fold_2"]


@pytest.mark.parametrize("name", [*ENCODERS, *(f"{CROSSFIT}/fold_{k}" for k in range(3))])
def test_beside_the_weights_stands_a_card_that_tells_what_they_are(trained: Trained, name: str) -> None:
    paths, folder = trained.paths, trained.paths.encoder(name)
    assert sorted(p.name for p in folder.iterdir()) == ["card.json", "loss.csv", "weights.safetensors"]
    card = read_json(folder / "card.json")
    assert card["weights"] == content_hash(folder / "weights.safetensors")
    assert card["training_set"] == content_hash(paths.training_set)
    assert card["code_version"]
    assert (card["labels_seen"] == 0) is (name in SELF_SUPERVISED)
    assert card["settings"]["epochs"] == len(pd.read_csv(folder / "loss.csv"))
    tensors = load_file(folder / "weights.safetensors")
    assert all(t.isfinite().all() for t in tensors.values())
    assert not any("project" in key or "target" in key for key in tensors), "only the backbone is kept"


def test_training_left_no_checkpoint_behind(trained: Trained) -> None:
    assert not list(trained.paths.checkpoints("encoder_simclr").parent.rglob("*.ckpt"))


def test_each_encoder_learned_something(trained: Trained) -> None:
    for name in ENCODERS:
        card = read_json(trained.paths.encoder(name) / "card.json")
        assert card["loss_last_epoch"] < 0.95 * card["loss_first_epoch"]
    assert FIRST in set(load_training_set(trained.paths)["batch"])


def test_a_network_with_imagenet_s_weights_starts_from_them(root: tuple[Paths, Settings]) -> None:
    paths, settings = root
    changes = {"architecture": "efficientnet_lite0", "initial_weights": "imagenet", "batch_size": 8}
    profile = with_method(settings.learning, "simclr", learning_rate=1e-5).model_copy(update=changes)
    changed = Root(paths, settings.model_copy(update={"profiles": {"quick": profile}}))
    pretrain(changed, "simclr")
    given = EfficientNetLite0()
    given.load_imagenet()
    learned = load_file(weights(paths, "encoder_simclr"))
    for name, before in given.named_parameters():
        assert 0 < (learned[name] - before).abs().max() < 0.01, name
    encoder = open_encoder(changed, "encoder_simclr")
    assert (encoder.card["kind"], encoder.card["settings"]["initial_weights"]) == ("efficientnet_lite0", "imagenet")
    assert "licence: Apache-2.0" in encoder.about, "the champion's model card names the network by it"
    assert encoder.embed(np.zeros((2, 40, 40), np.uint8)).shape == (2, encoder.embedding_size) == (2, 1280)
    with pytest.raises(RayTruthError, match="another size"):
        open_encoder(Root(paths, settings), "encoder_simclr")


def test_an_encoder_of_before_there_were_architectures_is_a_resnet(root: tuple[Paths, Settings]) -> None:
    opened = Root(*root)
    pretrain(opened, "simclr")
    card = opened.paths.encoder("encoder_simclr") / "card.json"
    written = read_json(card)
    del written["settings"]["architecture"]
    write_json(card, written)
    assert open_encoder(opened, "encoder_simclr").about.startswith("a ResNet")
