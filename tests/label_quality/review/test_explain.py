"""`raytruth explain`: all that is known of one flag, and of nobody's identity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.encoders import OOF_MODELS, REFERENCE
from support.roots import settings_of, small_root
from support.suspicious import STATION, suspicious_root
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.core.atomic_io import read_table, write_array, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import Verdict, append_verdicts
from dagster_project.core.paths import Paths
from dagster_project.core.verdict_kinds import VerdictKind
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.label_quality.error_causes.find import find_causes
from dagster_project.label_quality.label_errors.oof_predictions import oof_predictions_of, write_oof_predictions
from dagster_project.label_quality.label_errors.out_of_fold import OofPredictions
from dagster_project.label_quality.review.explain import explain

Case = tuple[Paths, str]


def opened(paths: Paths) -> Root:
    return Root(paths, settings_of(paths))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A root with causes, embeddings and out-of-fold predictions, and its most suspicious image."""
    paths, _ = suspicious_root(tmp_path_factory.mktemp("explain") / "root")
    table, draw = load_training_set(paths), np.random.default_rng(1)
    write_array(paths.embeddings(REFERENCE), draw.normal(size=(len(table), 8)).astype(np.float32))
    said = draw.dirichlet(np.ones(len(opened(paths).taxonomy.regions)), size=(len(OOF_MODELS), len(table)))
    write_oof_predictions(opened(paths), table, OofPredictions(said, np.zeros(said.shape[:2])))
    headers = read_table(paths.headers("first"))
    write_table(paths.headers("first"), headers.assign(warnings="monochrome1;implicit_vr"))
    find_causes(paths)
    return paths, str(read_table(paths.label_errors)["image_id"].iloc[0])


def test_a_flag_is_explained_by_its_label_proposal_judges_neighbours_causes_and_file(root: Case) -> None:
    paths, image_id = root
    known = explain(opened(paths), image_id)
    assert known["label"]["header_region"] == known["label"]["given_region"] == "shoulder"
    assert known["label"]["provenance"].startswith("BodyPartExamined, by the DICOM defined term SHOULDER")
    assert (known["flag"]["kind"], known["flag"]["proposed_region"]) == ("wrong_label", "elbow")
    assert (known["flag"]["rank"], known["flag"]["of"]) == (1, 640)
    assert 0.5 < known["flag"]["error_probability"] <= 1
    assert set(known["oof_predictions"]) == set(OOF_MODELS)
    assert all(sum(said.values()) == pytest.approx(1, abs=1e-3) for said in known["oof_predictions"].values())
    near = known["comparison"]["nearest images labelled elbow"]
    assert len(near) == 3
    assert {image["region"] for image in near} == {"elbow"}
    assert len(known["comparison"]["other images of the study"]) == 1
    assert (known["header"]["station"], known["header"]["verdict"]) == (STATION, "accept_warn")
    assert known["header"]["warnings"]["monochrome1"] == "stored inverted; inverted once"
    assert any(cause.startswith(f"Station {STATION} labels elbow images as *shoulder*") for cause in known["causes"])
    assert all(known["versions"][name] for name in ("training_set", "label_errors", "out_of_fold_models"))


def test_the_judges_words_are_those_of_the_image(root: Case) -> None:
    paths, image_id = root
    row = load_training_set(paths)["image_id"].tolist().index(image_id)
    kept = pd.read_parquet(paths.oof_predictions)
    one = kept[kept["oof_model"] == OOF_MODELS[0]].iloc[row]
    assert oof_predictions_of(paths, image_id)[OOF_MODELS[0]] == pytest.approx(
        one.drop(["image_id", "oof_model"]).to_dict()
    )


def test_verdicts_are_told_with_those_taken_back(root: Case) -> None:
    paths, image_id = root
    regions = opened(paths).taxonomy.regions
    first = Verdict(image_id, "given_is_right", "", "shoulder", "elbow", "Dr A")
    back = Verdict(image_id, VerdictKind.RETRACTED, "", "shoulder", "elbow", "Dr A", retracts=first.verdict_id)
    append_verdicts(paths, [first, back, Verdict(image_id, "undetermined", "", "shoulder", "elbow", "Dr B")], regions)
    told = explain(opened(paths), image_id)["verdicts"]
    assert [(v["reviewer"], v["current"]) for v in told] == [("Dr A", False), ("Dr A", False), ("Dr B", True)]


@pytest.mark.usefixtures("wide")
def test_the_page_and_the_json_say_it_and_name_nobody(root: Case) -> None:
    paths, image_id = root
    page = CliRunner().invoke(app, ["--root", str(paths.root), "explain", image_id])
    assert page.exit_code == 0
    for word in (
        "shoulder",
        "elbow",
        STATION,
        "labels elbow images as *shoulder*",
        "stored inverted",
        f"out-of-fold {OOF_MODELS[0]}",
    ):
        assert word in page.output
    as_json = CliRunner().invoke(app, ["--root", str(paths.root), "explain", image_id, "--json"])
    assert json.loads(as_json.output)["image_id"] == image_id
    patient = load_training_set(paths).set_index("image_id").loc[image_id, "patient"]
    for shown in (page.output, as_json.output):
        assert "CANARY" not in shown.upper()
        assert patient not in shown
        assert "2026-03" not in shown


def test_an_unknown_image_is_a_clear_error(root: Case) -> None:
    paths, _ = root
    shown = CliRunner().invoke(app, ["--root", str(paths.root), "explain", "0" * 32])
    assert shown.exit_code == 1
    with pytest.raises(RayTruthError, match="no image with this id") as error:
        explain(opened(paths), "0" * 32)
    assert "label_errors.parquet" in error.value.do


def test_without_a_ranked_list_there_is_a_word_on_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match="no list of label errors yet"):
        explain(opened(small_root(tmp_path / "root")), "0" * 32)
