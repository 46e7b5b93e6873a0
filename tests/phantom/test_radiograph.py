"""Whole exposures: every projection shows its bones, sides mirror each other, the same key gives the same image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raytruth_phantom.camera import aim
from raytruth_phantom.patients import Patient, draw_patient, generator
from raytruth_phantom.quality_phantom import take_test_image
from raytruth_phantom.radiograph import position_patient, take_radiograph
from raytruth_phantom.scene import build_scene, materials
from raytruth_phantom.sites import SITES
from raytruth_phantom.soft_tissue import cast_envelope
from raytruth_phantom.views import OUT_OF_DOMAIN_VIEWS, PROTOCOLS, REGIONS, VIEWS, View

NORTH = SITES["north"]
BY_NAME = {(view.region, view.name): view for view in VIEWS}


@pytest.fixture(scope="module")
def adult() -> Patient:
    return replace(draw_patient("grown up"), age=40.0, size=1.0)


@pytest.mark.parametrize("view", VIEWS + OUT_OF_DOMAIN_VIEWS, ids=lambda v: f"{v.region} {v.name}")
def test_every_projection_has_bone_in_the_middle_of_its_field(view: View, adult: Patient) -> None:
    angles = {name: sum(limits) / 2 for name, limits in view.angles.items()}
    scene = build_scene(adult, view.limb, angles)
    site = replace(NORTH, cassette=0.0, shutter=0.0)
    beam = aim(view, scene.pose, adult.size, site, generator("aim", view.name)).beam.coarser(3)
    lengths = materials(scene, beam, np.ones(beam.shape, np.float32))
    rows, columns = beam.shape
    middle = lengths["cortical"][rows // 4 : -(rows // 4), columns // 4 : -(columns // 4)]
    assert (middle > 1).mean() > 0.08
    assert all(np.isfinite(path).all() and path.min() >= 0 for path in lengths.values())


def test_every_region_has_projections_and_every_protocol_is_made_of_them() -> None:
    assert {view.region for view in VIEWS} == set(REGIONS) == set(PROTOCOLS) - {"chest", "skull"}
    for region in REGIONS:
        for protocol in PROTOCOLS[region]:
            assert all((region, name) in BY_NAME for name in protocol)
    assert all(view.second in ("", *REGIONS) and view.second != view.region for view in VIEWS)


@pytest.mark.parametrize("region", REGIONS)
def test_images_fill_the_grey_scale_and_have_the_promised_size(region: str) -> None:
    view = next(v for v in VIEWS if v.region == region)
    image = take_radiograph(draw_patient(region), view, "R", NORTH, f"size {region}")
    assert image.pixels.dtype == np.uint16
    assert image.pixels.max() <= 4095
    assert 295 <= max(image.pixels.shape) <= 645
    low, high = np.percentile(image.pixels, (1, 99))
    assert high - low > 1200
    assert 44 <= image.kvp <= 120


def test_the_left_side_is_the_right_one_in_the_mirror(adult: Patient) -> None:
    site = replace(NORTH, ruler=0.0)
    for region, name in (("hand", "PA"), ("knee", "lateral")):
        right, left = (take_radiograph(adult, BY_NAME[region, name], side, site, "twin").pixels for side in "RL")
        # only the side marker stands where it stood
        assert (left[:, ::-1] == right).mean() > 0.97


def test_the_same_key_gives_the_same_image_and_another_key_another(adult: Patient) -> None:
    view = BY_NAME["foot", "DP"]
    first, again, other = (take_radiograph(adult, view, "R", NORTH, key).pixels for key in ("k", "k", "l"))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_a_reprocessed_image_is_the_same_exposure_in_another_grey(adult: Patient) -> None:
    view = BY_NAME["elbow", "AP"]
    first, later = (take_radiograph(adult, view, "R", NORTH, "r", reprocessed=r).pixels for r in (False, True))
    assert later.shape < first.shape
    height, width = later.shape
    top, left = (first.shape[0] - height) // 2, first.shape[1] - width
    overlap = first[top : top + height, left:]
    assert np.corrcoef(overlap.ravel(), later.ravel())[0, 1] > 0.9
    assert not np.array_equal(overlap, later)


def test_a_repeated_exposure_is_near_but_not_equal(adult: Patient) -> None:
    view = BY_NAME["wrist", "PA"]
    first, again = (take_radiograph(adult, view, "R", NORTH, "again", repeated=r).pixels for r in (False, True))
    assert not np.array_equal(first, again)
    assert abs(first.shape[0] - again.shape[0]) <= 2


def test_implants_and_casts_stay_with_the_patient() -> None:
    """Two projections of one region show the same metal and the same plaster."""
    site, found = replace(NORTH, cast=0.3), set()
    for index in range(60):
        patient = draw_patient(f"osteosynthesis {index}")
        scenes = [
            position_patient(patient, BY_NAME["knee", name], "R", site, generator(index, name))
            for name in ("AP", "lateral")
        ]
        metal, thickness = ([len(s.extras) for s in scenes], [s.cast_thickness for s in scenes])
        assert metal[0] == metal[1]
        assert thickness[0] == thickness[1]
        found |= {"metal"} if metal[0] else {"cast"} if thickness[0] else set()
    assert found == {"metal", "cast"}


def test_a_cast_surrounds_the_forearm_and_leaves_the_fingers_free(adult: Patient) -> None:
    view = replace(BY_NAME["hand", "PA"], size=(280, 340), sway=0.0)
    scene = build_scene(adult, "arm", {})
    scene = replace(scene, cast=cast_envelope("arm", scene.pose, adult), cast_thickness=6.0)
    beam = aim(view, scene.pose, adult.size, replace(NORTH, cassette=0.0, shutter=0.0), generator(1)).beam
    plaster = materials(scene, beam, np.ones(beam.shape, np.float32))["plaster"]
    tips = np.array([scene.pose.frames[f"tip_{finger}"][:3, 3] for finger in (1, 2, 3)])
    wrist = scene.pose.frames["wrist"][:3, 3][None]
    columns, rows, _ = np.rint(beam.to_pixels(np.concatenate([tips, wrist]))).astype(int)
    at_tips, at_wrist = plaster[rows[:3], columns[:3]], plaster[rows[3], columns[3]]
    assert (at_tips < 0.5).all()
    assert 8 < at_wrist < 22  # front and back, seen nearly square on


def test_the_south_site_s_images_are_noisier() -> None:
    def noise(site: str) -> float:
        values = []
        for index in range(4):
            quiet = replace(SITES[site], detail=(0.5, 0.5), contrast=(1.0, 1.0), shutter=0.0, cast=0.0)
            image = take_radiograph(draw_patient("n"), BY_NAME["knee", "AP"], "", quiet, f"noise {index}").pixels
            smooth = image.astype(float)
            values.append(np.median(np.abs(smooth[1:-1, 1:-1] - (smooth[1:-1, :-2] + smooth[1:-1, 2:]) / 2)))
        return float(np.mean(values))

    assert noise("south") > 1.3 * noise("north")


def test_the_test_object_has_a_wedge_of_rising_brightness() -> None:
    pixels = take_test_image(NORTH, "wedge").pixels.astype(float)
    column = pixels[:, round(pixels.shape[1] * 7 / 40)]
    wedge = column[round(len(column) * 5 / 40) : round(len(column) * 31 / 40)]
    assert np.corrcoef(np.arange(len(wedge)), wedge)[0, 1] > 0.9
