"""The side after a correction between a region with two sides and a region without sides."""

from __future__ import annotations

from typing import Literal

from pydicom.dataset import Dataset

Side = Literal["kept", "none", "unknown"]


def side_after(original: Dataset, paired: bool) -> Side:
    """`kept`: the side of the original remains possible. `none`: it has a side, and the corrected region has none.

    `unknown`: it states that there is no side (U), and the corrected region has two.
    """
    side = original.get("ImageLaterality") or original.get("Laterality") or ""
    if side in ("R", "L", "B") and not paired:
        return "none"
    return "unknown" if side == "U" and paired else "kept"
