"""Radiographs read to be predicted: as in a batch, but kept nowhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.exports import BATCH
from support.roots import params_of

from dagster_project.errors import RayTruthError
from dagster_project.files import content_hash, read_table
from dagster_project.ingestion.scoring import read_for_scoring
from dagster_project.ingestion.store import open_pixels
from dagster_project.ingestion.tables import IDENTITY_COLUMNS
from dagster_project.layout import Layout


def test_pictures_and_identities_are_those_of_an_ingestion_and_the_root_stays_as_it_was(
    ingested: Layout, export: Path, tmp_path: Path
) -> None:
    before = content_hash(ingested.root)
    scorable = read_for_scoring(ingested, params_of(ingested), export, tmp_path)
    assert content_hash(ingested.root) == before
    assert list(scorable.identities) == list(IDENTITY_COLUMNS)
    expected = read_table(ingested.identities)
    assert scorable.identities["image_id"].tolist() == expected["image_id"].tolist()
    assert scorable.identities["sop_instance_uid"].tolist() == expected["sop_instance_uid"].tolist()
    np.testing.assert_array_equal(scorable.pictures[scorable.places], open_pixels(ingested, BATCH))


def test_a_source_without_radiographs_is_an_error_that_counts_reasons(ingested: Layout, tmp_path: Path) -> None:
    source = tmp_path / "CANARYSOURCE"
    source.mkdir()
    (source / "a.dcm").write_text("no picture")
    (source / "b.txt").write_text("no picture")
    with pytest.raises(RayTruthError, match="no usable radiograph") as error:
        read_for_scoring(ingested, params_of(ingested), source, tmp_path)
    assert "1 not_dicom_content" in str(error.value)
    assert "CANARY" not in str(error.value)
