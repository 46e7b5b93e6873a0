"""How well turned and inverted images are recognised, measured on sampled images that the probe did not see."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from dagster_project.intake.ingestion.pixels.turning import TURNS
from dagster_project.learning.orientation.calibration import HeldOut

_ENOUGH = 8  # images of a region
_CANNOT = 0.9  # area under the ROC curve below which a region's images may lie either way up


def measured(held_out: HeldOut, regions: np.ndarray) -> dict[str, object]:
    """Areas under the ROC curve in 0..1, 1 = always recognised: `auc` by turn and for `inverted`.

    `auc_180_by_region` is for upside down, by the given labels `regions` (n,), and `upside_down_unknown` lists the
    regions with an area below 0.9. Images with a finding are to be left out before, because they are probably not
    upright; so the areas say nothing of upright images that the probe calls turned.
    """
    auc = {str(degrees): _auc(held_out.all_turns, k) for k, degrees in enumerate(TURNS) if degrees}
    inverted = np.repeat([False, True], held_out.inverted.size // 2)
    auc["inverted"] = float(roc_auc_score(inverted, held_out.inverted.T.ravel()))
    upside_down = {
        str(region): _auc(held_out.all_turns[regions == region], TURNS.index(180))
        for region in sorted({r for r in regions if isinstance(r, str)})
        if (regions == region).sum() >= _ENOUGH
    }
    unknown = [region for region, area in upside_down.items() if area < _CANNOT]
    return {"sampled": len(regions), "auc": auc, "auc_180_by_region": upside_down, "upside_down_unknown": unknown}


def _auc(all_turns: np.ndarray, turn: int) -> float:
    """The area for one turn. An image turned by `turn` gets at this turn what the upright image gets at 0."""
    scores = np.concatenate([all_turns[:, 0], all_turns[:, turn]])
    return float(roc_auc_score(np.repeat([True, False], len(all_turns)), scores))
