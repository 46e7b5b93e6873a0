"""Region labels as a hospital writes them, and the kinds of errors in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from raytruth_phantom.views import REGIONS, View

UNDECIDABLE = ("EXTREMITY", "66019005", "Extremity")
_UNDECIDABLE_SHARE = 0.25  # of the missing labels: there is a value, but it names no region
_LOCAL_SHARE = 0.10  # labels written in the site's own words


class Term(NamedTuple):
    """A defined term of BodyPartExamined with its SNOMED CT code (DICOM PS3.16, annex L)."""

    value: str
    code: str
    meaning: str


TERMS: dict[str, tuple[Term, ...]] = {
    "shoulder": (Term("SHOULDER", "16982005", "Shoulder"), Term("CLAVICLE", "51299004", "Clavicle")),
    "humerus": (Term("HUMERUS", "85050009", "Humerus"), Term("UPPERARM", "40983000", "Upper arm")),
    "elbow": (Term("ELBOW", "16953009", "Elbow joint"),),
    "forearm": (Term("FOREARM", "14975008", "Forearm"), Term("RADIUSULNA", "110535000", "Radius and ulna")),
    "wrist": (Term("WRIST", "74670003", "Wrist joint"),),
    "hand": (Term("HAND", "85562004", "Hand"), Term("FINGER", "7569003", "Finger"), Term("THUMB", "76505004", "Thumb")),
    "pelvis": (Term("PELVIS", "816092008", "Pelvis"), Term("HIP", "24136001", "Hip joint")),
    "femur": (Term("FEMUR", "71341001", "Femur"), Term("THIGH", "68367000", "Thigh")),
    "knee": (Term("KNEE", "72696002", "Knee"), Term("PATELLA", "64234005", "Patella")),
    "lower_leg": (Term("LOWERLEG", "30021000", "Lower leg"), Term("TIBIAFIBULA", "110536004", "Tibia and fibula")),
    "ankle": (Term("ANKLE", "70258002", "Ankle joint"),),
    "foot": (
        Term("FOOT", "56459004", "Foot"),
        Term("TOE", "29707007", "Toe"),
        Term("CALCANEUS", "80144004", "Calcaneus"),
    ),
    "cervical_spine": (Term("CSPINE", "122494005", "Cervical spine"),),
    "thoracolumbar_spine": (
        Term("LSPINE", "122496007", "Lumbar spine"),
        Term("TSPINE", "122495006", "Thoracic spine"),
        Term("TLSPINE", "1217256009", "Thoraco-lumbar spine"),
    ),
}

# spellings in real archives instead of the defined term; {} is the side
_LOCAL: dict[str, tuple[str, ...]] = {
    "shoulder": ("Schulter {}", "SCHULTERGELENK", "Shoulder AP", "SHOULDER {}"),
    "humerus": ("Oberarm {}", "OBERARM", "HUMERUS {}", "ARM"),
    "elbow": ("Ellenbogen {}", "ELLBOGEN", "ELBOW {}"),
    "forearm": ("UNTERARM {}", "Unterarm", "Forearm 2V"),
    "wrist": ("Handgelenk", "HANDGELENK {}", "Wrist 2 views", "HG {}"),
    "hand": ("Hand {}", "Mittelhand", "Hand 3 views"),
    "pelvis": ("Becken", "BECKENÜBERSICHT", "Hüfte {}", "Pelvis AP"),
    "femur": ("Oberschenkel", "OBERSCHENKEL {}", "FEMUR {}"),
    "knee": ("KNIE {}", "Knie", "Kniegelenk {}", "Knee 2 views"),
    "lower_leg": ("Unterschenkel", "UNTERSCHENKEL", "TIB FIB {}", "LEG"),
    "ankle": ("Sprunggelenk", "OSG {}", "SPRUNGGELENK {}", "Ankle 3V"),
    "foot": ("Fuß {}", "FUSS {}", "VORFUSS", "Foot 3 views"),
    "cervical_spine": ("HWS", "HWS 2E", "C-Spine", "HALSWIRBELSÄULE"),
    "thoracolumbar_spine": ("LWS", "BWS", "LWS 2E", "T/L Spine", "Lumbar spine"),
}
_LOCAL_SPECIAL = {
    "THUMB": "Daumen",
    "FINGER": "Finger {}",
    "CALCANEUS": "Fersenbein",
    "TOE": "Zehe",
    "PATELLA": "Patella",
}

# terms for a part of the region: only for a projection of this part
_PARTS = ("CLAVICLE", "FINGER", "THUMB", "HIP", "PATELLA", "TOE", "CALCANEUS")

NEIGHBOURS: dict[str, tuple[str, ...]] = {
    "shoulder": ("humerus",),
    "humerus": ("shoulder", "elbow"),
    "elbow": ("forearm", "humerus"),
    "forearm": ("wrist", "elbow"),
    "wrist": ("hand", "forearm"),
    "hand": ("wrist",),
    "pelvis": ("femur", "thoracolumbar_spine"),
    "femur": ("pelvis", "knee"),
    "knee": ("femur", "lower_leg"),
    "lower_leg": ("knee", "ankle"),
    "ankle": ("foot", "lower_leg"),
    "foot": ("ankle",),
    "cervical_spine": ("thoracolumbar_spine", "shoulder"),
    "thoracolumbar_spine": ("cervical_spine", "pelvis"),
}
# regions that people enter for an image that shows none
_MISTAKEN_FOR = {
    "chest": ("shoulder", "thoracolumbar_spine", "humerus"),
    "skull": ("cervical_spine",),
    "test_object": REGIONS,
}


@dataclass(frozen=True)
class Label:
    """The region label of a file.

    `given_region`: the class of the label, or empty. `body_part`: BodyPartExamined, or empty. `term`: the coded region,
    or None if it is written in local words or missing.
    """

    given_region: str
    error_kind: str
    body_part: str
    term: Term | None


def assign_error(
    region: str,
    second_region: str,
    previous: str | None,
    *,
    label_noise: float,
    missing: float,
    default_weight: float,
    rng: np.random.Generator,
) -> tuple[str, str]:
    """The region given for an image of `region` and the kind of its error.

    `previous`: region examined before in the same room. `default_weight`: how much more often than elsewhere this
    room keeps the previous label; the other kinds keep their rates.
    """
    right = (region, second_region)
    if region in _MISTAKEN_FOR:
        return str(rng.choice(_MISTAKEN_FOR[region])), "out_of_domain"
    shares = np.array([0.6, 0.2, 0.2 * default_weight])
    if rng.random() < label_noise * shares.sum():
        kind = str(rng.choice(["neighbour", "uniform", "protocol_default"], p=shares / shares.sum()))
        if kind == "protocol_default" and previous in REGIONS and previous not in right:
            return str(previous), kind
        if kind == "uniform":
            return str(rng.choice([r for r in REGIONS if r not in right])), kind
        near = [r for r in NEIGHBOURS[region] if r not in right]
        # a room with only one kind of examination has no other default to keep: the error is then a neighbouring region
        return (str(rng.choice(near)), "neighbour") if near else (_any_other(right, rng), "uniform")
    if rng.random() < missing:
        return "", "missing"
    return region, "none"


def _any_other(right: Sequence[str], rng: np.random.Generator) -> str:
    return str(rng.choice([r for r in REGIONS if r not in right]))


def write_label(given_region: str, error_kind: str, view: View | None, side: str, rng: np.random.Generator) -> Label:
    """Write a given region as text: mostly a defined term with its code, sometimes a local spelling or nothing."""
    if not given_region:
        undecidable = rng.random() < _UNDECIDABLE_SHARE
        term = Term(*UNDECIDABLE) if undecidable else None
        return Label("", error_kind, term.value if term else "", term)
    term = _term_for(given_region, view, rng)
    if rng.random() >= _LOCAL_SHARE:
        return Label(given_region, error_kind, term.value, term)
    special = _LOCAL_SPECIAL.get(term.value)
    words = special or str(rng.choice(_LOCAL[given_region]))
    marks = {"R": ("RE", "RT", "rechts"), "L": ("LI", "LT", "links")}.get(side, ("",))
    return Label(given_region, error_kind, words.format(str(rng.choice(marks))).strip()[:16], None)


def _term_for(region: str, view: View | None, rng: np.random.Generator) -> Term:
    """The term of `region` that fits the projection, or any term if the label is wrong for the image."""
    terms = TERMS[region]
    if view is not None and view.region == region and view.term:
        return next(term for term in terms if term.value == view.term)
    return terms[0] if rng.random() < 0.85 else _synonym(terms, rng)


def _synonym(terms: tuple[Term, ...], rng: np.random.Generator) -> Term:
    whole = [term for term in terms if term.value not in _PARTS]
    return whole[int(rng.integers(len(whole)))]
