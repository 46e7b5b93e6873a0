"""Each ingestion leaves a report of what happened to every attribute of its files, without a value of any."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from support.dicoms import image, radiograph, save
from support.roots import settings_of, small_root

from dagster_project.core.atomic_io import read_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.privacy.deidentification_report import load_report
from dagster_project.intake.privacy.identities import NAME, NUMBER, Identity, identities_of
from dagster_project.intake.root import Root

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A root with a batch of three radiographs: one with private attributes, one with a name burned in; and a CT."""
    source = tmp_path_factory.mktemp("export")
    odd = radiograph(0)
    odd.private_block(0x0029, "CANARY MAKER", create=True).add_new(1, "LO", "CANARY")
    save(odd, source / "CANARYDIR" / "a.dcm")
    page = Image.fromarray(image(1, (600, 450)).astype(np.float32) / 40)
    ImageDraw.Draw(page).text((20, 20), "CANARY^JANE", fill=255, font=ImageFont.load_default(34))
    save(radiograph(1, pixels=(np.asarray(page) * 16).astype(np.uint16)), source / "b.dcm")
    save(radiograph(2, AccessionNumber=None), source / "c.dcm")
    save(radiograph(3, Modality="CT", PatientAddress="CANARY ROAD"), source / "ct.dcm")
    paths = small_root(tmp_path_factory.mktemp("root"))
    ingest(Root(paths, settings_of(paths)), source, "march")
    return paths


def test_every_attribute_of_the_used_files_is_listed_with_its_action_and_the_standards(paths: Paths) -> None:
    report = load_report(paths, "march")
    listed = {a["keyword"] or a["tag"]: (a["action"], a["table_e1_1"], a["files"]) for a in report["attributes"]}
    assert listed["PatientName"] == ("removed", "Z", 3)
    assert listed["AccessionNumber"] == ("removed", "Z", 2)
    assert listed["SOPInstanceUID"] == ("pseudonym", "U", 3)
    assert listed["StudyDate"] == ("shifted", "Z", 3)
    assert listed["BodyPartExamined"] == ("region", "", 3)
    assert listed["Rows"] == ("kept", "", 3)
    assert listed["(0029,1001)"] == ("removed", "X", 1)
    assert "PatientAddress" not in listed, "of a file that is not used nothing is taken"
    assert report["images"] == 3
    assert report["unknown_attributes"] == 2
    assert sum(report["attributes_by_action"].values()) == len(listed)
    assert any(option.startswith("113107") for option in report["options"])


def test_masked_text_is_counted_and_no_value_is_told(paths: Paths) -> None:
    assert load_report(paths, "march")["images_with_text_masked"] == 1
    assert (read_table(paths.headers("march"))["text_masked"] > 0).sum() == 1
    assert "CANARY" not in json.dumps(load_report(paths, "march"))


def test_what_is_searched_for_is_known_in_private_alone_and_not_whose_it_is(paths: Paths) -> None:
    table = read_table(paths.identifiers)
    assert list(table.columns) == ["kind", "value", "batch"]
    assert paths.identifiers.stat().st_mode & 0o077 == 0
    known = identities_of(paths, ["march"])
    assert Identity(NAME, "CANARYNAME^0001", "march") in known
    assert Identity(NUMBER, "CANARYACC0001", "march") in known
    assert {i.value for i in known if i.kind == "path"} >= {"CANARYDIR/a.dcm", "ct.dcm"}
    assert identities_of(paths, ["april"]) == set()


def test_the_same_batch_gives_the_same_proof(paths: Paths, tmp_path: Path) -> None:
    before = paths.deidentification("march").read_bytes()
    paths.headers("march").unlink()
    source = json.loads(paths.sources.read_text())["march"]
    ingest(Root(paths, settings_of(paths)), Path(source), "march")
    assert paths.deidentification("march").read_bytes() == before
