"""Body parts as people type them, after public lists of examinations: one region, or none, never a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.taxonomies import SITE_REGIONS, own_taxonomy, taxonomy_of

from dagster_project.intake.taxonomy.resolve import resolve_label

OWN = own_taxonomy()
ONE_REGION = {
    "shoulder": (
        "SHOULDER^AXIAL, BOTH SHOULDERS, A/C JOINTS, A-C JOINT, AC JTS, S/C JOINTS, ACROMIO-CLAVICULAR JOINT, "
        "CLAVICLES, HEAD OF HUMERUS, NECK OF LT HUMERUS, HUMERAL HEAD, Kopf des Humerus, Schulter-Gelenk, "
        "NECK OF SCAPULA, LSHOULDER"
    ),
    "humerus": "SHAFT OF HUMERUS, HUMERUS 2 OR MORE VIEWS, Ober-Arm, RTHUMERUS",
    "elbow": "HEAD OF RADIUS, RADIAL NECK, NECK OF RT RADIUS, Hals des Radius, ELBOW JOINT LT AP + LAT, ELBOWS",
    "forearm": "RADIUS & ULNA, RADIUS/ULNA, FORE-ARM, FOREARMS 2V, Unter-Arm",
    "wrist": "SCAPHOIDS, Hand-Gelenk, WRIST PA + LAT (4 views), HEAD OF ULNA, DISTAL RADIUS, Hand-Wurzel",
    "hand": (
        "HAND LT, D4-5 finger, BASE OF THUMB, HEAD OF 2ND METACARPAL, METACARPAL NECK, LTHAND, HANDPA, "
        "FINGER(S) 2 OR MORE VIEWS, HAND NOT KNEE, Mittel-Hand, 5TH DIGITS"
    ),
    "pelvis": (
        "NECK OF FEMUR, NECK OF THE FEMUR, FEMUR NECK, FEMORAL NECK, HEAD OF FEMUR, Hals des Femurs, Schenkel-Hals, "
        "FROGLEG LAT, FROGLEG, FROG LATERAL, FROG-LEG LATERAL, FROGLEGS, HIP-JOINT, AP PELVIS/HIP, HIP W/ PELVIS, "
        "S/I JOINTS, SI JTS, SACRO-ILIAC, SACRUM & COCCYX MIN 2 VIEWS, Hüft-TEP, HTEP, Becken und Hüfte, LHIP"
    ),
    "femur": "SHAFT OF FEMUR, UPPER LEG, THIGHS, FEMUR AP LAT (4 views)",
    "knee": (
        "Knee , RT_KNEE, KNEE2VIEWS, RTKNEE, KNEELT, XRKNEE, NON WEIGHT BEARING KNEE, Knie-TEP, K-TEP, TKR, PATELLAS, "
        "Knie-Scheibe, LOWER LIMB KNEE, KNEE CAP"
    ),
    "lower_leg": "TIB/FIB, TIB-FIB, TIBIA & FIBULA 2 VIEWS, SHAFT OF TIBIA, NECK OF FIBULA, Unter-Schenkel",
    "ankle": "ANKLE JOINTS, ANKLE 3V, Sprung-Gelenk, RANKLE",
    "foot": (
        "BOTH FEET, 5TH TOE, OS CALCIS, CALCANEUM, HEEL PAD, BASE OF 5TH METATARSAL, HEAD OF 5TH METATARSAL, "
        "FORE FOOT, TOE(S), Vor-Fuß"
    ),
    "cervical_spine": (
        "c_spine, C/SPINE, SPINE CERVICAL, C/T SPINE, C-T SPINE, CERVICO-THORACIC SPINE, CERVICOTHORACIC, NECK LATERAL"
    ),
    "thoracolumbar_spine": (
        "T-SPINE AP, T-L SPINE(AP), T/L SPINE, D/L SPINE, D-L SPINE, DL SPINE, D SPINE, L/S SPINE, L-S SPINE, "
        "LS-SPINE, LUMBO-SACRAL SPINE, LUMBO SACRAL, THORACO-LUMBAR SPINE, DORSO-LUMBAR, SPINE THORACIC, LSPINEAP, "
        "SPINE LUMBOSACRAL MIN 2 VIEWS, T & L SPINE, LWS/BWS, BWS u. LWS"
    ),
}
NO_REGION = {
    "a limb": (
        "UP_EXM, LOW_EXM, LOWLIMB, U/LIMB, STANDING LONG LEG, LEG LENGTH, LOWER EXTREMITY, Ganz-Bein, HIP AND LEG, "
        "ARM WITH HAND, Bein mit Knie"
    ),
    "several": (
        "WRIST AND HAND, FOOT/ANKLE, HEAD/NECK, HEAD AND NECK, C AND T SPINE, C & L SPINE, C/T/L SPINE, HWS/BWS, "
        "C-SPINE AND L-SPINE, WHOLE SPINE, CT SPINE, D/S SPINE, LT SPINE, KUB/PELVIS, ABDOMEN PELVIS, "
        "CHEST & SHOULDER, NECK OF FEMUR AND KNEE, NECKCHEST, CHEST KNEE"
    ),
    "another part of the body": (
        "CHEST, SOFT TISSUE NECK, NECK SOFT TISSUE, NECK OF MANDIBLE, ANGLE OF MANDIBLE, BASE OF SKULL, CERVICAL RIB, "
        "NECK OF RIB, TM JOINT, LLUMBAR, RLUMBAR, LEFT LUMBAR REGION, Kopf-Hals, THORACIC INLET, HEAD OF PANCREAS"
    ),
    "nothing": (
        "NOT HAND, NO HAND, EXCEPT HAND, W/O HAND, ohne Hand, keine Hand, T/F, NECK OF TALUS, TALAR NECK, NAVICULAR, "
        "L/S, PHALANX, HANDWRIST, ALAR, ORBITAL, Handl, HANDLE, KNEEL"
    ),
}
TEXTS = [(text.strip(","), region) for region, texts in ONE_REGION.items() for text in texts.split(", ")]
VAGUE = [text for texts in NO_REGION.values() for text in texts.split(", ")]


def region_of(text: str, attribute: str = "BodyPartExamined") -> str | None:
    return resolve_label([], {attribute: text}, OWN).region


@pytest.mark.parametrize(("text", "region"), TEXTS)
def test_what_names_one_region_gives_it(text: str, region: str) -> None:
    for spelling in (text, text.lower(), f"  {text}  ", f"{text} ap"):
        assert region_of(spelling) == region, spelling


@pytest.mark.parametrize("text", VAGUE)
def test_what_names_a_limb_several_regions_or_none_gives_none(text: str) -> None:
    for attribute in ("BodyPartExamined", "StudyDescription"):
        for spelling in (text, text.lower(), f"XR {text} ap"):
            assert region_of(spelling, attribute) is None, spelling


@pytest.mark.parametrize("text", ["RTKNEE", "HANDPA", "LHIP", "Rhand"])
def test_words_without_a_space_are_parted_only_where_no_name_can_stand(text: str) -> None:
    assert region_of(text) is not None
    assert region_of(text, "StudyDescription") is None


def test_levels_of_the_spine_are_several_only_where_the_site_tells_them_apart(tmp_path: Path) -> None:
    whole = taxonomy_of(SITE_REGIONS, tmp_path)
    for text in ("C AND T SPINE", "C/T/L SPINE", "T/L SPINE"):
        assert resolve_label([], {"BodyPartExamined": text}, whole).region == "spine_whole"
    apart = 't: {terms: {TSPINE: "122495006"}}\nl: {terms: {LSPINE: "122496007", TLSPINE: "1217256009"}}'
    apart_taxonomy = taxonomy_of(apart, tmp_path)
    said = {
        s: resolve_label([], {"BodyPartExamined": s}, apart_taxonomy).region for s in ("T AND L SPINE", "T/L SPINE")
    }
    assert said == {"T AND L SPINE": None, "T/L SPINE": "l"}
