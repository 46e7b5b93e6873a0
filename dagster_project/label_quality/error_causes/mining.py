"""The groups whose labels are wrong more often than those of comparable images.

The false discovery rate over all tested groups is 5 % (Benjamini & Hochberg 1995). A group of two factors is reported
only if it exceeds both factors, and every group only if more specific groups do not explain it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import false_discovery_control

from dagster_project.label_quality.error_causes.enrichment_test import p_value
from dagster_project.label_quality.error_causes.groups import MIN_ERRORS, Group, Images

_FALSE_DISCOVERIES = 0.05
_MIN_RATIO = 1.25  # to the expected rate; a smaller difference is not worth a review
_SAME = 0.9  # overlap (Jaccard) above which two groups count as the same images


def mine(images: Images, groups: list[Group]) -> list[Group]:
    """The significant ones of `groups` with their p and q, the most significant first."""
    if not groups:
        return []
    tested = [replace(group, p=_p_of(images, group)) for group in groups]
    q = false_discovery_control([group.p for group in tested])
    found = [replace(g, q=float(value)) for g, value in zip(tested, q, strict=True) if value <= _FALSE_DISCOVERIES]
    return _not_redundant(images, found)


def rates(images: Images, group: Group) -> tuple[float, float]:
    """Expected error rate of the group, and of the images that it is first compared with (0..1)."""
    errors, inside = images.errors(group), images.inside(group)
    compared, _ = images.tests(group)[0]
    return _mean(errors[inside]), _mean(errors[compared & ~inside])


def _p_of(images: Images, group: Group, explained: np.ndarray | bool = False) -> float:
    """The largest p-value of the group's tests; 1 if too few errors are expected, or not enough more than elsewhere."""
    left = ~np.broadcast_to(explained, len(images.patients))
    errors, inside, tests = images.errors(group), images.inside(group) & left, images.tests(group)
    if errors[inside].sum() < MIN_ERRORS:
        return 1.0
    outer = [_mean(errors[compared & ~inside & left]) for compared, _ in tests]
    expected = max(outer)
    if len(tests) == 2:  # the product of both effects, if they are independent
        neither = _mean(errors[~(tests[0][0] | tests[1][0]) & left])
        expected = max(expected, outer[0] * outer[1] / neither if neither else 0.0)
    if _mean(errors[inside]) < _MIN_RATIO * expected:
        return 1.0
    return max(p_value(errors, images.patients, inside, compared & left, strata) for compared, strata in tests)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _not_redundant(images: Images, found: list[Group]) -> list[Group]:
    """Without groups that others explain, most specific first: each must be significant without the images before."""
    bound = max((group.p for group in found), default=0.0)
    kept: list[Group] = []
    explained = np.zeros(len(images.patients), dtype=bool)
    for group in sorted(found, key=lambda g: (-len(g.factors), g.p)):
        inside = images.inside(group)
        if images.large_enough(inside & ~explained) and _p_of(images, group, explained) <= bound:
            kept.append(group)
            explained |= inside
            continue
        kept = [
            replace(k, equivalent_groups=(*k.equivalent_groups, group.name))
            if k.factors != group.factors and _same(images.inside(k), inside)
            else k
            for k in kept
        ]
    return sorted(kept, key=lambda g: g.p)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one & other).sum() >= _SAME * (one | other).sum())
