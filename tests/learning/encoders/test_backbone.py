"""The encoder's shape, and its weights on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.roots import settings_of, small_root

from dagster_project.core.atomic_io import read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Profile
from dagster_project.learning.encoders.backbone import (
    as_input,
    count_parameters,
    embedding_size,
    load_backbone,
    make_backbone,
    save_backbone,
)
from dagster_project.learning.encoders.efficientnet import EfficientNetLite0
from dagster_project.learning.encoders.imagenet import write_imagenet_encoder
from dagster_project.learning.encoders.onnx_encoder import load_onnx_encoder


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return settings_of(small_root(tmp_path_factory.mktemp("backbone") / "root")).learning


@pytest.mark.parametrize("px", [32, 64, 96])
def test_one_channel_goes_in_and_an_embedding_comes_out_whatever_the_size(profile: Profile, px: int) -> None:
    backbone = make_backbone(profile).eval()
    assert backbone(torch.zeros(3, 1, px, px)).shape == (3, embedding_size(profile))
    with pytest.raises(RuntimeError):
        backbone(torch.zeros(3, 3, px, px))


def test_width_and_blocks_make_the_network_s_size(profile: Profile) -> None:
    wide, deep = profile.model_copy(update={"width": 16}), profile.model_copy(update={"blocks": (2, 1, 1, 1)})
    assert embedding_size(wide) == 2 * embedding_size(profile)
    assert count_parameters(make_backbone(wide)) > 3.5 * count_parameters(make_backbone(profile))
    # a basic block of width 8: two 3 x 3 convolutions and two batch norms
    more = count_parameters(make_backbone(deep)) - count_parameters(make_backbone(profile))
    assert more == 2 * 9 * 8 * 8 + 2 * 2 * 8


def test_a_resnet_18_of_full_width_has_its_eleven_million_values(profile: Profile) -> None:
    full = profile.model_copy(update={"width": 64, "blocks": (2, 2, 2, 2)})
    assert 11.1e6 < count_parameters(make_backbone(full)) < 11.3e6


def test_bottleneck_blocks_make_a_resnet_50_of_four_times_longer_embeddings(profile: Profile) -> None:
    full = profile.model_copy(update={"width": 64, "block": "bottleneck", "blocks": (3, 4, 6, 3)})
    assert 23.4e6 < count_parameters(make_backbone(full)) < 23.6e6
    small = profile.model_copy(update={"block": "bottleneck"})
    assert embedding_size(small) == 4 * embedding_size(profile)
    assert make_backbone(small).eval()(torch.zeros(3, 1, 32, 32)).shape == (3, embedding_size(small))


def test_weights_come_back_bit_by_bit_with_the_norms_statistics(profile: Profile, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = make_backbone(profile)
    backbone(torch.randn(8, 1, 32, 32))  # moves the running means
    save_backbone(tmp_path / "weights.safetensors", backbone)
    assert set(load_file(tmp_path / "weights.safetensors")) == set(backbone.state_dict())
    back, x = load_backbone(tmp_path / "weights.safetensors", profile), torch.randn(4, 1, 32, 32)
    assert not back.training
    assert torch.equal(back(x), backbone.eval()(x))


def test_weights_of_another_size_are_refused(profile: Profile, tmp_path: Path) -> None:
    save_backbone(tmp_path / "weights.safetensors", make_backbone(profile))
    with pytest.raises(RayTruthError, match="another size"):
        load_backbone(tmp_path / "weights.safetensors", profile.model_copy(update={"width": 16}))


def test_weights_cut_off_on_disk_are_refused_in_plain_words(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "encoder_byol" / "weights.safetensors"
    path.parent.mkdir()
    save_backbone(path, make_backbone(profile))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RayTruthError, match="cannot be read"):
        load_backbone(path, profile)


def test_no_weights_say_what_to_do(profile: Profile, tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match="not been pretrained") as error:
        load_backbone(tmp_path / "encoder_byol" / "weights.safetensors", profile)
    assert (error.value.where, error.value.do) == ("encoder_byol", "run `raytruth pretrain METHOD`")


def test_grey_values_become_minus_1_to_1() -> None:
    found = as_input(torch.tensor([[[0, 255], [51, 204]]], dtype=torch.uint8))
    assert found.shape == (1, 1, 2, 2)
    torch.testing.assert_close(found.flatten(), torch.tensor([-1.0, 1.0, -0.6, 0.6]))


@pytest.fixture
def lite(profile: Profile) -> Profile:
    return profile.model_copy(update={"architecture": "efficientnet_lite0", "initial_weights": "imagenet"})


def test_efficientnet_with_its_imagenet_weights_sees_what_the_plugged_in_encoder_sees(
    lite: Profile, tmp_path: Path
) -> None:
    write_imagenet_encoder(tmp_path)
    plugged_in = load_onnx_encoder(tmp_path, read_json(tmp_path / "card.json"), "cpu")
    images = (
        np.random.default_rng(0).integers(0, 255, (3, plugged_in.image_size, plugged_in.image_size)).astype("uint8")
    )
    backbone = make_backbone(lite)
    assert isinstance(backbone, EfficientNetLite0)
    backbone.load_imagenet()
    with torch.inference_mode():
        found = backbone.eval()(as_input(torch.from_numpy(images))).numpy()
    assert found.shape == (3, embedding_size(lite))
    for ours, theirs in zip(found, plugged_in.embed(images), strict=True):
        assert np.corrcoef(ours, theirs)[0, 1] > 0.99


def test_efficientnet_s_weights_come_back_and_no_block_is_dropped_at_random(lite: Profile, tmp_path: Path) -> None:
    backbone, x = make_backbone(lite), torch.randn(8, 1, 32, 32)
    assert torch.equal(backbone(x), backbone(x)), "in training, too"
    save_backbone(tmp_path / "weights.safetensors", backbone)
    back = load_backbone(tmp_path / "weights.safetensors", lite)
    assert torch.equal(back(x), backbone.eval()(x))
