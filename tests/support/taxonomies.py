"""Region files for tests: RayTruth's own, and a small site's with coarser classes."""

from __future__ import annotations

from pathlib import Path

import dagster_project.intake.taxonomy
from dagster_project.intake.taxonomy.taxonomy import Taxonomy, load_taxonomy

OWN_REGIONS = Path(dagster_project.intake.taxonomy.__file__).with_name("regions.yaml")
SITE_REGIONS = """
hand_wrist:  {terms: {HAND: "85562004", WRIST: "74670003", FINGER: "7569003"}}
humerus_arm: {terms: {HUMERUS: "85050009"}, synonyms: [Gelenk oben]}
spine_whole: {terms: {SPINE: "421060004", TLSPINE: "1217256009"}}
hip_pelvis:  {terms: {PELVIS: "816092008", HIP: "24136001"}}
"""


def own_taxonomy() -> Taxonomy:
    """RayTruth's fourteen classes."""
    return load_taxonomy(OWN_REGIONS)


def taxonomy_of(text: str, folder: Path) -> Taxonomy:
    """The taxonomy that a regions file with this text gives."""
    path = folder / "regions.yaml"
    path.write_text(text, encoding="utf-8")
    return load_taxonomy(path)
