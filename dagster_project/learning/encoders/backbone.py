"""The networks of the encoders that are trained here: MONAI's ResNet or EfficientNet-Lite0, on one channel."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import NetworkSettings
from dagster_project.learning.encoders.efficientnet import EMBEDDING_SIZE, EfficientNetLite0


def make_backbone(network: NetworkSettings) -> nn.Module:
    """The profile's network with random weights, (B, 1, s, s) -> (B, embedding_size).

    A ResNet has the profile's blocks (He et al. 2016, arXiv 1512.03385): width 64 and blocks [2, 2, 2, 2] of `basic`
    make a ResNet-18, [3, 4, 6, 3] of `bottleneck` a ResNet-50.
    """
    if network.architecture == "efficientnet_lite0":
        return EfficientNetLite0()
    from monai.networks.nets.resnet import ResNet  # here: MONAI takes seconds to import

    widths = [network.width * factor for factor in (1, 2, 4, 8)]
    return ResNet(
        network.block,
        list(network.blocks),
        widths,
        spatial_dims=2,
        n_input_channels=1,
        conv1_t_stride=2,  # MONAI's default of 1 is three to four times slower
        feed_forward=False,
    )


def embedding_size(network: NetworkSettings) -> int:
    """Length of an embedding: the last stage's channels, which a ResNet's bottleneck blocks widen fourfold."""
    if network.architecture == "efficientnet_lite0":
        return EMBEDDING_SIZE
    return 8 * network.width * (4 if network.block == "bottleneck" else 1)


def mlp(size: int, hidden_dim: int, out: int) -> nn.Sequential:
    """Two linear layers with batch norm and ReLU between them; (B, size) -> (B, out)."""
    first, last = nn.Linear(size, hidden_dim, bias=False), nn.Linear(hidden_dim, out)
    return nn.Sequential(first, nn.BatchNorm1d(hidden_dim), nn.ReLU(inplace=True), last)


def save_backbone(path: Path, backbone: nn.Module) -> None:
    """Write the weights as safetensors."""
    save_file({name: tensor.contiguous().cpu() for name, tensor in backbone.state_dict().items()}, path)


def load_backbone(path: Path, network: NetworkSettings) -> nn.Module:
    """Read weights that `save_backbone` wrote, in evaluation mode.

    Raises RayTruthError if there are no weights, or they belong to a network of another size.
    """
    if not path.exists():
        raise RayTruthError(
            "This encoder has not been pretrained", where=path.parent.name, do="run `raytruth pretrain METHOD`"
        )
    backbone = make_backbone(network)
    try:
        backbone.load_state_dict(load_file(path))
    except SafetensorError:
        raise RayTruthError(
            "The encoder's weights cannot be read",
            where=path.parent.name,
            do="bring them back with `dvc checkout`, or pretrain it again",
        ) from None
    except RuntimeError:
        raise RayTruthError(
            "The encoder's weights belong to a network of another size than the profile's network",
            where=path.parent.name,
            do="pretrain it again, or go back to the params.yaml it was trained with",
        ) from None
    return backbone.eval()


def count_parameters(module: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def as_input(images: torch.Tensor) -> torch.Tensor:
    """uint8 (B, s, s) to float32 (B, 1, s, s), 0..255 mapped to -1..1."""
    return images[:, None].float().mul_(2 / 255).sub_(1)
