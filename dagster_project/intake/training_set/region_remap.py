"""Verdicts given under other region classes than today's: carried over by an explicit map, or an error."""

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

    `region_map`: a class that is no more -> the class that took its place, or None if a verdict on it no longer says
    which (the class was split): these verdicts are left out. The ledger is not touched.
    Raises RayTruthError if the map names a class that still is, or leads to none; or if a label is neither one of
    `regions` nor mapped.
    """
    _check(region_map, regions)
    if unknown := sorted(set(corrected["region"].dropna()) - {*regions, *region_map, ""}):
        raise RayTruthError(
            f"Verdicts name regions that the regions file lacks: {', '.join(unknown)}",
            where="data/corrected_labels.parquet",
            do="say under training_set, region_map in params.yaml which class took each one's place "
            "(null: review again), or bring the classes back",
        )
    old = corrected["region"].isin(list(region_map))
    effect = {
        (str(name), region_map[str(name)] or REVIEW_AGAIN): int(count)
        for name, count in corrected.loc[old, "region"].value_counts().sort_index().items()
    }
    for (name, new), images in effect.items():
        log.info("verdicts on %s are now %s: %d images", name, new, images)
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
            f"The map cannot be followed: {', '.join(still)} still a class of the regions file"
            if still
            else f"The map cannot be followed: {', '.join(nowhere)} would become a class that the regions file lacks",
            where="params.yaml, training_set, region_map",
            do="map classes that are no more to classes of today, or to null",
        )
