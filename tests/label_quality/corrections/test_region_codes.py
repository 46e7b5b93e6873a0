"""A class is written as the one code that says all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from highdicom._standard_utils import get_anatomic_region_map
from support.taxonomies import OWN_REGIONS

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy
from dagster_project.intake.taxonomy.vocabulary import vocabulary
from dagster_project.label_quality.corrections.region_codes import UNPAIRED, code_of

OWN = load_taxonomy(OWN_REGIONS)


@pytest.mark.parametrize("region", OWN.regions)
def test_every_class_has_a_code_that_means_it(region: str) -> None:
    said = code_of(region, OWN)
    assert OWN.codes[said.code.value] == OWN.terms[said.term] == region
    assert said.code.scheme_designator == "SCT"
    known = vocabulary().terms[said.term]
    assert said.code.value == known.code
    assert said.paired == (said.term not in UNPAIRED)


def test_thoracic_and_lumbar_spine_are_not_called_one_of_both() -> None:
    assert code_of("thoracolumbar_spine", OWN).code.meaning == "Thoraco-lumbar spine"


def test_a_class_that_no_code_says_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "regions.yaml"
    arms = 'my_arms:\n  terms: { ELBOW: "16953009", FOREARM: "14975008" }\n'
    path.write_text(arms + 'knee:\n  terms: { KNEE: "72696002" }\n')
    taxonomy = load_taxonomy(path)
    with pytest.raises(RayTruthError, match="my_arms has no single code"):
        code_of("my_arms", taxonomy)
    assert code_of("knee", taxonomy).term == "KNEE"


def test_the_codes_are_annex_l_s() -> None:
    annex = str(get_anatomic_region_map())
    for region in OWN.regions:
        assert code_of(region, OWN).code.value in annex
