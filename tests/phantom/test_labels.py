"""Labels: the rates of their errors, that an error is one, and the words they are written in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from raytruth_phantom.labels import NEIGHBOURS, TERMS, assign_error, write_label
from raytruth_phantom.plan import Exposure, plan_hospital
from raytruth_phantom.sites import SITES
from raytruth_phantom.views import REGIONS, VIEWS


def planned(site: str = "north", patients: int = 1200, **changes: float) -> list[Exposure]:
    rates = {"label_noise": 0.05, "missing": 0.02, "out_of_domain": 0.03} | changes
    return plan_hospital(SITES[site], patients=patients, seed=11, **rates)


@pytest.fixture(scope="module")
def plan() -> list[Exposure]:
    return planned()


def own(plan: list[Exposure]) -> list[Exposure]:
    return [shot for shot in plan if shot.variant == "image" and shot.region in REGIONS]


def test_error_rates_are_near_those_asked_for(plan: list[Exposure]) -> None:
    shots = own(plan)
    kinds = Counter(shot.label.error_kind for shot in shots)
    wrong = kinds["neighbour"] + kinds["uniform"] + kinds["protocol_default"]
    assert wrong / len(shots) == pytest.approx(0.05, abs=0.012)
    assert kinds["missing"] / len(shots) == pytest.approx(0.02, abs=0.008)
    assert kinds["neighbour"] / wrong == pytest.approx(0.55, abs=0.15)
    assert kinds["protocol_default"] > kinds["uniform"] > 0
    strangers = [shot for shot in plan if shot.region not in REGIONS]
    assert len(strangers) / len(shots) == pytest.approx(0.03, abs=0.002)


@pytest.mark.parametrize(("asked", "expected"), [(0.0, 0.0), (0.3, 0.3)])
def test_label_noise_is_what_was_asked(asked: float, expected: float) -> None:
    shots = own(planned(patients=500, label_noise=asked, missing=0.0))
    wrong = np.mean([shot.label.error_kind != "none" for shot in shots])
    assert wrong == pytest.approx(expected, abs=0.03)


def test_a_wrong_label_is_wrong_and_a_right_one_right(plan: list[Exposure]) -> None:
    for shot in own(plan):
        truth = (shot.region, shot.view.second if shot.view else "")
        kind, given = shot.label.error_kind, shot.label.given_region
        if kind == "none":
            assert given == shot.region
        elif kind == "missing":
            assert given == ""
        else:
            assert given not in truth
            assert given in REGIONS
        if kind == "neighbour":
            assert given in NEIGHBOURS[shot.region]


def test_one_room_keeps_the_label_of_the_examination_before(plan: list[Exposure]) -> None:
    shots = own(plan)
    rates = {
        room.name: np.mean([s.label.error_kind == "protocol_default" for s in shots if s.room == room])
        for room in SITES["north"].rooms
    }
    assert rates["ROOM3"] > 2 * max(rate for name, rate in rates.items() if name != "ROOM3")


def test_local_spelling_missing_and_undecidable_labels_occur(plan: list[Exposure]) -> None:
    shots = own(plan)
    local = [s for s in shots if s.label.body_part and s.label.term is None]
    assert len(local) / len(shots) == pytest.approx(0.10, abs=0.02)
    assert {"Handgelenk", "HWS", "LWS", "Becken", "Sprunggelenk"} <= {s.label.body_part for s in local}
    missing = [s.label for s in shots if s.label.error_kind == "missing"]
    assert any(label.body_part == "EXTREMITY" for label in missing)
    assert any(label.body_part == "" for label in missing)


def test_written_labels_fit_their_element_and_defined_terms_carry_their_code(plan: list[Exposure]) -> None:
    by_value = {term.value: (region, term) for region in TERMS for term in TERMS[region]}
    assert len({term.code for _, term in by_value.values()}) == len(by_value)
    for shot in plan:
        label = shot.label
        assert len(label.body_part) <= 16
        if label.term and label.given_region:
            assert by_value[label.body_part] == (label.given_region, label.term)


def test_a_projection_of_a_part_is_called_by_that_part() -> None:
    thumb = next(view for view in VIEWS if view.name == "thumb AP")
    labels = [write_label("hand", "none", thumb, "R", np.random.default_rng(i)) for i in range(40)]
    assert {label.body_part for label in labels} == {"THUMB", "Daumen"}


def test_two_regions_are_both_right() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        given, kind = assign_error(
            "forearm", "elbow", "elbow", label_noise=1.0, missing=0.0, default_weight=4.0, rng=rng
        )
        assert (given in ("forearm", "elbow")) == (kind == "none")


def test_the_mix_of_regions_is_realistic_and_no_region_is_tiny() -> None:
    for seed in range(3):
        shots = plan_hospital(
            SITES["north"], patients=120, seed=seed, label_noise=0.05, missing=0.02, out_of_domain=0.03
        )
        patients = {region: {s.patient for s in own(shots) if s.region == region} for region in REGIONS}
        assert min(map(len, patients.values())) >= 8
        assert 3 <= len(own(shots)) / 120 <= 5


def test_about_one_image_in_twelve_shows_two_regions(plan: list[Exposure]) -> None:
    shots = own(plan)
    assert np.mean([bool(s.view and s.view.second) for s in shots]) == pytest.approx(0.08, abs=0.02)


@pytest.mark.slow
def test_the_south_site_examines_other_parts_in_other_rooms(plan: list[Exposure]) -> None:
    north, south = own(plan), own(planned("south"))

    def share(shots: list[Exposure], *regions: str) -> float:
        return float(np.mean([s.region in regions for s in shots]))

    assert share(south, "hand", "foot") > 1.8 * share(north, "hand", "foot")
    assert share(south, "cervical_spine", "thoracolumbar_spine") < 0.4 * share(
        north, "cervical_spine", "thoracolumbar_spine"
    )
    assert not {s.room.name for s in north} & {s.room.name for s in south}


def test_a_plan_depends_on_its_seed_alone() -> None:
    arguments = {"patients": 20, "label_noise": 0.05, "missing": 0.02, "out_of_domain": 0.03}
    first, again, other = (plan_hospital(SITES["north"], seed=seed, **arguments) for seed in (1, 1, 2))
    assert first == again
    assert [replace(s, key="") for s in first] != [replace(s, key="") for s in other]
