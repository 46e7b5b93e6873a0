"""What becomes of the side when a region with two sides turns out to be one without, or the other way round."""

from __future__ import annotations

from typing import Literal

from pydicom.dataset import Dataset

Side = Literal["kept", "none", "unknown"]


def side_after(original: Dataset, paired: bool) -> Side:
    """`kept`: what the original says stays possible. `none`: it names a side, and the corrected region has none.

    `unknown`: it says that there is no side (U), and the corrected region has two.
    """
    said = original.get("ImageLaterality") or original.get("Laterality") or ""
    if said in ("R", "L", "B") and not paired:
        return "none"
    return "unknown" if said == "U" and paired else "kept"
