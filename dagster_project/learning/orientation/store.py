"""The probe for later batches, in `models/orientation/`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from dagster_project.core.atomic_io import read_card, replacing_dir, write_card
from dagster_project.learning.evaluation.linear_head import LinearHead
from dagster_project.learning.orientation.calibration import Calibration
from dagster_project.learning.orientation.probe import OrientationProbe

_HEAD = ("mean", "scale", "weight", "bias")
_CARD, _WEIGHTS = "card.json", "probe.safetensors"


def save_orientation(folder: Path, probe: OrientationProbe, calibration: Calibration, encoder: str) -> None:
    """Write the probe and the name of its encoder; replaces the folder."""
    heads = {"turn": probe.turn, "polarity": probe.polarity}
    arrays = {f"{name}.{part}": getattr(head, part) for name, head in heads.items() for part in _HEAD}
    with replacing_dir(folder) as into:
        save_file({name: np.ascontiguousarray(a, np.float32) for name, a in arrays.items()}, into / _WEIGHTS)
        write_card(into / _CARD, {"encoder": encoder, "calibration": asdict(calibration)})


def save_no_orientation(folder: Path) -> None:
    """Write a card without a probe, so that no probe of earlier settings or images stays behind."""
    with replacing_dir(folder) as into:
        write_card(into / _CARD, {"encoder": ""})


def load_orientation(folder: Path) -> tuple[OrientationProbe, Calibration, str] | None:
    """The probe, its calibration and the name of its encoder; None if there is no probe.

    Raises RayTruthError if another version of RayTruth wrote it.
    """
    if not (folder / _CARD).exists() or not (card := read_card(folder / _CARD))["encoder"]:
        return None
    arrays = load_file(folder / _WEIGHTS)
    turn, polarity = (LinearHead(*(arrays[f"{name}.{part}"] for part in _HEAD)) for name in ("turn", "polarity"))
    return OrientationProbe(turn, polarity), Calibration(**card["calibration"]), card["encoder"]
