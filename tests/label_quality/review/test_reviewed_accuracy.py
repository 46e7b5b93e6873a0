"""Accuracy as labelled and as reviewed, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from support.roots import settings_of
from support.suspicious import suspicious_root
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.core.atomic_io import read_json, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import Verdict, append_verdicts, update_corrected_labels
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy
from dagster_project.intake.training_set.build import build_training_set, load_training_set
from dagster_project.label_quality.review.reviewed_accuracy import ReviewedAccuracy, measure_reviewed_accuracy

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> Paths:
    """A model that says of the test images what their labels say, but for the first four, of which it says foot."""
    paths, _ = suspicious_root(tmp_path / "root", patients=160)
    test = known_test(paths)
    said = test["header_region"].to_numpy(object).copy()
    said[:4] = "foot"
    table = pd.DataFrame(
        {"image_id": test["image_id"], "model": "ensemble", "fraction": 1.0, "repeat": 0, "region": said}
    )
    other = table.assign(fraction=0.1, region="shoulder")  # of a tenth of the labels: not looked at
    write_table(paths.test_predictions("ensemble"), pd.concat([table, other]))
    return paths


def known_test(paths: Paths) -> pd.DataFrame:
    """The test images that are no feet, those first of whose label is not foot."""
    table = load_training_set(paths)
    return table[(table["split"] == "test") & (table["header_region"] != "foot")].reset_index(drop=True)


def say(paths: Paths, number: int, verdict: str, region: str = "") -> None:
    image = known_test(paths).iloc[number]
    regions = load_taxonomy(paths.root / settings_of(paths).regions).regions
    said = Verdict(image["image_id"], verdict, region, image["header_region"], "", "Dr A")
    append_verdicts(paths, [said], regions)


def measured(paths: Paths) -> ReviewedAccuracy:
    (result,) = measure_reviewed_accuracy(Root(paths, settings_of(paths)))
    return result


def test_without_verdicts_both_are_the_same_and_that_is_said(root: Paths) -> None:
    result, count = measured(root), len(known_test(root))
    assert result.as_labelled.value == result.as_reviewed.value == pytest.approx((count - 4) / count)
    assert result.as_labelled.low < result.as_labelled.value < result.as_labelled.high
    assert "No test image was reviewed" in result.limit


def test_what_reviewers_say_of_the_errors_counts_as_in_the_paper(root: Paths) -> None:
    count = len(known_test(root))
    say(root, 0, "wrong_label", "foot")  # the model was right
    say(root, 1, "out_of_domain")  # nobody could be right
    say(root, 2, "two_regions", "foot")  # either is right
    say(root, 3, "given_is_right")  # the model was wrong
    result = measured(root)
    assert result.as_labelled.value == pytest.approx((count - 4) / count)
    assert result.as_reviewed.value == pytest.approx((count - 2) / (count - 1))
    assert (result.label_wrong, result.out_of_domain, result.two_regions) == (1, 1, 1)
    assert (result.disagreements, result.disagreements_reviewed, result.agreements_reviewed) == (4, 4, 0)
    assert "an upper bound" in result.limit


def test_a_wrong_label_that_the_model_repeats_counts_against_it(root: Paths) -> None:
    count = len(known_test(root))
    say(root, 5, "wrong_label", "foot")
    result = measured(root)
    assert result.as_reviewed.value == pytest.approx((count - 5) / count)
    assert (result.agreements_reviewed, result.agreements_wrong) == (1, 1)
    assert "the most suspicious first" in result.limit


def test_the_latest_word_counts_and_cannot_tell_is_none(root: Paths) -> None:
    say(root, 0, "given_is_right")
    say(root, 0, "wrong_label", "foot")
    say(root, 0, "undetermined")
    assert measured(root).label_wrong == 1


def test_as_labelled_stays_what_the_archive_says_after_the_labels_were_corrected(root: Paths) -> None:
    before = measured(root).as_labelled.value
    say(root, 0, "wrong_label", "foot")
    update_corrected_labels(root)
    build_training_set(Root(root, settings_of(root)))
    assert measured(root).as_labelled.value == pytest.approx(before)
    assert measured(root).as_reviewed.value > before


def test_when_all_were_read_it_says_so(root: Paths) -> None:
    for number in range(len(known_test(root))):
        say(root, number, "given_is_right")
    assert measured(root).limit == "Every test image was reviewed."


def test_a_class_that_is_no_more_needs_the_map(root: Paths) -> None:
    say(root, 0, "wrong_label", "hand")
    path = root.root / settings_of(root).regions
    classes = yaml.safe_load(path.read_text())
    del classes["hand"]
    path.write_text(yaml.safe_dump(classes, sort_keys=False))
    with pytest.raises(RayTruthError, match="not in the regions file: hand"):
        measured(root)


def test_the_command_shows_both_side_by_side_and_keeps_them(root: Paths, wide: None) -> None:
    say(root, 0, "wrong_label", "foot")
    shown = CliRunner().invoke(app, ["--root", str(root.root), "reviewed-accuracy"])
    assert shown.exit_code == 0
    kept = read_json(root.metrics("reviewed_accuracy"))["ensemble"]
    for labels in ("as_labelled", "as_reviewed"):
        assert f"{kept[labels]['value']:.3f} ({kept[labels]['low']:.3f} to {kept[labels]['high']:.3f})" in shown.output
    assert kept["limit"] in " ".join(shown.output.split())


def test_without_test_predictions_there_is_a_word_on_what_to_do(tmp_path: Path) -> None:
    paths, _ = suspicious_root(tmp_path / "root", patients=160)
    with pytest.raises(RayTruthError, match="no test predictions yet"):
        measure_reviewed_accuracy(Root(paths, settings_of(paths)))
