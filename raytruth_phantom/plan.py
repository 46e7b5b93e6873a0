"""The plan of a hospital, day by day: patients, studies, exposures and their labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from raytruth_phantom.labels import Label, assign_error, write_label
from raytruth_phantom.patients import generator
from raytruth_phantom.sites import Room, Site
from raytruth_phantom.views import OUT_OF_DOMAIN_VIEWS, PROTOCOLS, REGIONS, VIEWS, View

_TWO_REGIONS = 0.1  # exposures of a region that has such views: about 8 % of all
BROKEN_KINDS = (
    "truncated",
    "text",
    "empty",
    "no_instance_uid",
    "wrong_length",
    "ct",
    "report",
    "rgb",
    "for_processing",
    "constant",
    "dicomdir",
    "readme",
)
DUPLICATE_KINDS = ("same_file", "same_pixels", "reprocessed", "repeated")

_BY_NAME = {(view.region, view.name): view for view in VIEWS}
_UNPAIRED = ("pelvis", "cervical_spine", "thoracolumbar_spine", "chest", "skull", "test_object")


@dataclass(frozen=True)
class Exposure:
    """One image as planned, with its label.

    `variant`: image, or one of the duplicates or broken kinds made from the exposure of the same `key`. `view` is
    None for the test object. `side`: R, L or empty.
    """

    key: str
    patient: int
    study: int
    number: int
    region: str
    view: View | None
    side: str
    room: Room
    taken: datetime
    label: Label
    variant: str = "image"


def plan_hospital(
    site: Site, *, patients: int, seed: int, label_noise: float, missing: float, out_of_domain: float
) -> list[Exposure]:
    """Every file of the export in a fixed order; the same arguments give the same plan."""
    rng = generator("plan", site.name, patients, seed)
    shots = [
        shot
        for index, region in enumerate(_first_regions(site, patients, rng))
        for shot in _visits(site, seed, index, region)
    ]
    shots = _with_strangers(shots, out_of_domain, seed, rng)
    labelled = _labelled(shots, label_noise, missing, seed)
    return labelled + _duplicates(labelled, rng) + _broken(labelled, patients, rng)


def _first_regions(site: Site, patients: int, rng: np.random.Generator) -> list[str]:
    """One region per patient; no region is rarer than the site's floor, the rest follows the site's mix."""
    floor = patients * site.floor // 120
    sure = [region for region in REGIONS for _ in range(floor)][:patients]
    weights = np.array([site.mix[r] for r in REGIONS])
    free = rng.choice(len(REGIONS), patients - len(sure), p=weights / weights.sum())
    regions = sure + [REGIONS[i] for i in free]
    return [regions[i] for i in rng.permutation(patients)]


def _visits(site: Site, seed: int, index: int, region: str) -> list[Exposure]:
    """One patient's exposures: one to four studies, the first of `region`, later ones of it or of another."""
    rng = generator("visits", site.name, seed, index)
    shots: list[Exposure] = []
    day = datetime(2026, 1, 5) + timedelta(days=int(rng.integers(0, 200)))
    weights = np.array([site.mix[r] for r in REGIONS])
    side = str(rng.choice(["R", "L"]))
    for study in range(int(rng.choice([1, 2, 3, 4], p=[0.55, 0.28, 0.12, 0.05]))):
        if study:
            day += timedelta(days=int(rng.integers(1, 60)))
            if rng.random() < 0.6:
                region, side = str(rng.choice(REGIONS, p=weights / weights.sum())), str(rng.choice(["R", "L"]))
        protocols = PROTOCOLS[region]
        common = 0.6 ** np.arange(len(protocols))
        names = protocols[int(rng.choice(len(protocols), p=common / common.sum()))]
        room = site.rooms[int(rng.integers(len(site.rooms)))]
        time = day + timedelta(minutes=int(rng.integers(7 * 60, 19 * 60)))
        for name in names:
            view = _BY_NAME[region, name]
            both = [v for v in VIEWS if v.region == region and v.second]
            if both and rng.random() < _TWO_REGIONS:
                view = both[int(rng.integers(len(both)))]
            time += timedelta(seconds=int(rng.integers(40, 240)))
            number = len(shots)
            shots.append(
                Exposure(
                    key=f"{site.name}-{seed}-{index}-{number}",
                    patient=index,
                    study=study,
                    number=number,
                    region=region,
                    view=view,
                    side="" if region in _UNPAIRED and view.term != "HIP" else side,
                    room=room,
                    taken=time,
                    label=Label("", "", "", None),
                )
            )
    return shots


def _with_strangers(shots: list[Exposure], share: float, seed: int, rng: np.random.Generator) -> list[Exposure]:
    """Add images of no skeletal region to existing studies."""
    added: list[Exposure] = []
    for _ in range(round(share * len(shots))):
        host = shots[int(rng.integers(len(shots)))]
        kind = str(rng.choice(["chest", "skull", "test_object"], p=[0.6, 0.25, 0.15]))
        views = [v for v in OUT_OF_DOMAIN_VIEWS if v.region == kind]
        number = 100 + len(added)
        added.append(
            replace(
                host,
                key=f"stranger-{seed}-{host.key}-{number}",
                number=number,
                region=kind,
                view=views[int(rng.integers(len(views)))] if views else None,
                side="",
                taken=host.taken + timedelta(seconds=20),
            )
        )
    return shots + added


def _labelled(shots: list[Exposure], label_noise: float, missing: float, seed: int) -> list[Exposure]:
    """Give every exposure its label, room by room in the order of time, as the consoles did."""
    usual = np.mean([0.8 + 0.2 * s.room.default_errors for s in shots]) if shots else 1.0
    recent: dict[str, tuple[str | None, str | None]] = {}  # a room's present region and its region before
    labels = {}
    for shot in sorted(shots, key=lambda s: (s.taken, s.key)):
        rng = generator("label", seed, shot.key)
        now, before = recent.get(shot.room.name, (None, None))
        if shot.region != now:
            now, before = shot.region, now
        recent[shot.room.name] = now, before
        given, kind = assign_error(
            shot.region,
            shot.view.second if shot.view else "",
            before,
            label_noise=label_noise / float(usual),  # rooms with a bad default raise the mean; this keeps it
            missing=missing,
            default_weight=shot.room.default_errors,
            rng=rng,
        )
        labels[shot.key] = write_label(given, kind, shot.view, shot.side, rng)
    return [replace(shot, label=labels[shot.key]) for shot in shots]


def _duplicates(shots: list[Exposure], rng: np.random.Generator) -> list[Exposure]:
    """About one image in a hundred exists twice, in one of several ways, and every third one has another label."""
    own = [s for s in shots if s.region in REGIONS]
    copies = []
    for index, chosen in enumerate(rng.choice(len(own), round(0.012 * len(own)), replace=False) if own else ()):
        original = own[int(chosen)]
        kind = DUPLICATE_KINDS[index % len(DUPLICATE_KINDS)]
        label = original.label
        if kind != "same_file" and rng.random() < 1 / 3:
            second = original.view.second if original.view else ""
            given, error = assign_error(
                original.region, second, None, label_noise=1.0, missing=0.0, default_weight=0.0, rng=rng
            )
            label = write_label(given, error, original.view, original.side, rng)
        later = timedelta(0) if kind in ("same_file", "same_pixels") else timedelta(seconds=90)
        copies.append(replace(original, variant=kind, label=label, taken=original.taken + later, number=200 + index))
    return copies


def _broken(shots: list[Exposure], patients: int, rng: np.random.Generator) -> list[Exposure]:
    """About one file in a hundred is not a usable image; with 60 patients or more every kind occurs."""
    own = [s for s in shots if s.region in REGIONS]
    number = max(round(0.012 * len(own)), len(BROKEN_KINDS) if patients >= 60 else 0)
    kinds = [BROKEN_KINDS[i] for i in rng.permutation(len(BROKEN_KINDS))]
    chosen = rng.choice(len(own), number, replace=number > len(own)) if own else ()
    return [replace(own[int(c)], variant=kinds[i % len(kinds)], number=300 + i) for i, c in enumerate(chosen)]
