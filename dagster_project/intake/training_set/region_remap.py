"""Verdicts on former region classes: an explicit map carries them over; without a map they are an error."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pandas as pd

from dagster_project.core.errors import RayTruthError

log = logging.getLogger("raytruth")
REVIEW_AGAIN = "(to be reviewed again)"


def remap_regions(
    corrected: pd.DataFrame, region_map: Mapping[str, str | None], regions: tuple[str, ...]
) -> tuple[pd.DataFrame, dict[tuple[str, str], int]]:
    """Corrected labels in today's classes, and the effect: (old class, new class or REVIEW_AGAIN) -> images.

    `region_map`: former class -> the class that replaced it, or None if the class was split, so that a verdict on it
    no longer gives the region. Verdicts with None are left out. The ledger is not changed.
    Raises RayTruthError if the map names a current class as a former one, or maps to an unknown class; or if a label is
    neither in `regions` nor mapped.
    """
    _check(region_map, regions)
    if unknown := sorted(set(corrected["region"].dropna()) - {*regions, *region_map, ""}):
        raise RayTruthError(
            f"Verdicts name regions that are not in the regions file: {', '.join(unknown)}",
            where="corrected_labels.parquet",
            do="map each of these regions in params.yaml, training_set, region_map, to the class that replaced it "
            "(null: review again), or restore the classes",
        )
    old = corrected["region"].isin(list(region_map))
    effect = {
        (str(name), region_map[str(name)] or REVIEW_AGAIN): int(count)
        for name, count in corrected.loc[old, "region"].value_counts().sort_index().items()
    }
    for (name, new), images in effect.items():
        log.info("region map: %s -> %s, %d images", name, new, images)
    lost = corrected["region"].isin([name for name, new in region_map.items() if new is None])
    renamed = {name: new for name, new in region_map.items() if new}
    kept = corrected[~lost].reset_index(drop=True)
    named = {column: kept[column].replace(renamed) for column in ("region", "given_region")}
    return kept.assign(**named), effect


def _check(region_map: Mapping[str, str | None], regions: tuple[str, ...]) -> None:
    still = sorted(set(region_map) & set(regions))
    nowhere = sorted({new for new in region_map.values() if new} - set(regions))
    if still or nowhere:
        raise RayTruthError(
            f"The region map is wrong: still a class of the regions file: {', '.join(still)}"
            if still
            else f"The region map is wrong: mapped to a class that is not in the regions file: {', '.join(nowhere)}",
            where="params.yaml, training_set, region_map",
            do="map former classes to current classes, or to null",
        )
