"""The registry of pretraining methods. A method is a file in this folder with its network, and an entry here.

Encoders, assets, settings, out-of-fold models, help and pipeline follow from the entries. Networks are imported when
they are created: assets and commands read this list and must not wait for torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from dagster_project.core.settings.section import Positive, Section

if TYPE_CHECKING:
    from torch import nn

    from dagster_project.learning.pretraining.network import MethodNetwork

Temperature = Annotated[float, Field(gt=0)]


class MethodSettings(Section):
    """Settings of every method in a profile: `profiles.NAME.methods.METHOD` in params.yaml."""

    epochs: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    projection_dim: Positive


class ContrastiveSettings(MethodSettings):
    """Settings of SimCLR and of supervised contrastive learning."""

    temperature: Temperature


class BYOLSettings(MethodSettings):
    """Settings of BYOL; `momentum` is the target network's at the start."""

    momentum: Annotated[float, Field(gt=0, lt=1)]
    hidden_dim: Positive


class VICRegSettings(MethodSettings):
    """Weights of the loss's three terms (25, 25 and 1 in the paper), and the width of the expander."""

    hidden_dim: Positive
    invariance_weight: Annotated[float, Field(gt=0)]
    variance_weight: Annotated[float, Field(gt=0)]
    covariance_weight: Annotated[float, Field(gt=0)]


def _own(settings: MethodSettings) -> dict[str, Any]:
    """The settings that a network needs: all except the number of epochs."""
    return settings.model_dump(exclude={"epochs"})


def _simclr(backbone: nn.Module, size: int, settings: MethodSettings, classes: int) -> MethodNetwork:
    from dagster_project.learning.pretraining.simclr import SimCLR

    return SimCLR(backbone, size, **_own(settings))


def _byol(backbone: nn.Module, size: int, settings: MethodSettings, classes: int) -> MethodNetwork:
    from dagster_project.learning.pretraining.byol import BYOL

    return BYOL(backbone, size, **_own(settings))


def _supcon(backbone: nn.Module, size: int, settings: MethodSettings, classes: int) -> MethodNetwork:
    from dagster_project.learning.pretraining.supcon import SupCon

    return SupCon(backbone, size, **_own(settings))


def _vicreg(backbone: nn.Module, size: int, settings: MethodSettings, classes: int) -> MethodNetwork:
    from dagster_project.learning.pretraining.vicreg import VICReg

    return VICReg(backbone, size, **_own(settings))


def _supcon_with_classifier(backbone: nn.Module, size: int, settings: MethodSettings, classes: int) -> MethodNetwork:
    from dagster_project.learning.pretraining.supcon_with_classifier import ClassifiedSupCon

    return ClassifiedSupCon(backbone, size, classes, **_own(settings))


@dataclass(frozen=True)
class Method:
    """One way to pretrain an encoder.

    `name`: for the command and the settings. `encoder`: name of the asset, the DVC stage and the folder in `models/`.
    `network(backbone, size, settings, classes)` draws the weights; `size` is the length of an embedding.
    An encoder with `sees_labels` must not predict images for `label_errors` if it saw their labels.
    """

    name: str
    encoder: str
    about: str
    settings: type[MethodSettings]
    network: Callable[[nn.Module, int, MethodSettings, int], MethodNetwork]
    sees_labels: bool = False


# Encoders are trained, concatenated and listed in this order.
METHODS = {
    method.name: method
    for method in (
        Method(
            "simclr",
            "encoder_simclr",
            "Encoder pretrained without labels: two views of an image attract (Chen et al. 2020).",
            ContrastiveSettings,
            _simclr,
        ),
        Method(
            "byol",
            "encoder_byol",
            "Encoder pretrained without labels: one view predicts the other (Grill et al. 2020).",
            BYOLSettings,
            _byol,
        ),
        Method(
            "supcon",
            "encoder_supcon",
            "Encoder pretrained with the training labels, wrong ones included (Khosla et al. 2020).",
            ContrastiveSettings,
            _supcon,
            sees_labels=True,
        ),
        Method(
            "vicreg",
            "encoder_vicreg",
            "Encoder pretrained without labels: views agree, dimensions vary and do not repeat (Bardes et al. 2022).",
            VICRegSettings,
            _vicreg,
        ),
    )
}
# Always on, because label errors need it. Its folder holds one encoder per fold.
CROSSFIT = Method(
    "crossfit",
    "encoder_supcon_crossfit",
    "One SupCon encoder per fold, trained with the labels of the other folds only, for out-of-fold predictions.",
    ContrastiveSettings,
    _supcon_with_classifier,
    sees_labels=True,
)
