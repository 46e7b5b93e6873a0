"""The worklist out to a spreadsheet and to Label Studio, and their answers back into the ledger."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from support.reviewing import ranked_root

from dagster_project.core.atomic_io import read_table, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import load_corrected_labels, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.core.verdict_kinds import ANSWERS
from dagster_project.intake.root import Root
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.label_quality.review.cards import load_worklist
from dagster_project.label_quality.review.export_worklist import export_worklist
from dagster_project.label_quality.review.import_export import import_verdicts
from dagster_project.label_quality.review.worklist import build_worklist

Pair = tuple[Paths, Settings]
ONE = {"": "Dr A"}


@pytest.fixture
def root(tmp_path: Path) -> Pair:
    paths = Paths(tmp_path / "root")
    settings = ranked_root(paths, 10)
    build_worklist(Root(paths, settings))
    return paths, settings


def regions(root: Pair) -> tuple[str, ...]:
    return load_taxonomy(root[0].root / root[1].regions).regions


def exported(root: Pair, to: str) -> Path:
    folder = root[0].root.parent / to
    assert export_worklist(root[0], regions(root), folder, to) == 10
    return folder


def shown(root: Pair) -> set[tuple[str, str]]:
    worklist = load_worklist(root[0])
    return {(worklist.model_version, worklist.data_version)}


def recorded(root: Pair) -> list[tuple[str, ...]]:
    columns = ["image_id", "verdict", "region", "given_region", "reviewer"]
    return [tuple(row) for row in load_verdicts(root[0])[columns].to_numpy(str).tolist()]


def test_a_spreadsheet_goes_out_with_its_images_and_comes_back_answered(root: Pair) -> None:
    folder = exported(root, "csv")
    cards = load_worklist(root[0]).cards
    assert {path.stem for path in (folder / "images").iterdir()} >= set(cards)
    with (folder / "worklist.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert [(row["image_id"], row["given_region"], row["proposed_region"]) for row in rows] == [
        (card["image_id"], card["given_region"], card["proposed_region"]) for card in cards.values()
    ]
    rows[1] |= {"verdict": "wrong_label", "region": rows[1]["proposed_region"]}
    rows[2] |= {"verdict": "given_is_right", "at": "2026-03-01T10:00:00Z"}
    with (folder / "worklist.csv").open("w", newline="") as f:
        written = csv.DictWriter(f, rows[0])
        written.writeheader()
        written.writerows(rows)
    assert [import_verdicts(Root(*root), folder / "worklist.csv", ONE) for _ in range(2)] == [2, 0]
    assert recorded(root) == [
        (rows[1]["image_id"], "wrong_label", rows[1]["proposed_region"], rows[1]["given_region"], "Dr A"),
        (rows[2]["image_id"], "given_is_right", "", rows[2]["given_region"], "Dr A"),
    ]
    ledger = load_verdicts(root[0])
    assert set(zip(ledger["model_version"], ledger["data_version"], strict=True)) == shown(root)
    assert ledger["at"][1] == "2026-03-01T10:00:00Z"


def test_no_cell_is_a_formula(root: Pair) -> None:
    cards = load_worklist(root[0]).cards
    file = root[0].worklist / "cards.json"
    first = next(iter(cards.values()))
    file.write_text(file.read_text().replace(json.dumps(first["provenance"]), json.dumps("=1+1")))
    assert ",=1+1" not in (exported(root, "csv") / "worklist.csv").read_text()


def test_the_label_studio_interface_asks_for_every_verdict_and_region(root: Pair) -> None:
    view = ElementTree.parse(exported(root, "label-studio") / "config.xml").getroot()
    choices = {asked.get("name"): [choice.get("value") for choice in asked] for asked in view.iter("Choices")}
    assert set(choices["verdict"]) == set(ANSWERS)
    assert choices["region"] == list(regions(root))
    hotkeys = [choice.get("hotkey") for choice in view.iter("Choice") if choice.get("hotkey")]
    assert len(set(hotkeys)) == len(hotkeys) == len(ANSWERS)


def tasks(root: Pair) -> list[dict[str, Any]]:
    return json.loads((exported(root, "label-studio") / "tasks.json").read_text())


def test_a_task_shows_the_image_and_marks_the_proposal(root: Pair) -> None:
    worklist = load_worklist(root[0])
    view = ElementTree.parse(exported(root, "label-studio") / "config.xml").getroot()
    named = {element.get("name"): element for element in view.iter() if element.get("name")}
    for task, card in zip(
        json.loads((root[0].root.parent / "label-studio" / "tasks.json").read_text()),
        worklist.cards.values(),
        strict=True,
    ):
        image = task["data"][named["image"].get("value", "").removeprefix("$")]
        assert (
            base64.b64decode(image.removeprefix("data:image/jpeg;base64,"))
            == worklist.images[card["image_id"]].read_bytes()
        )
        marked = {part["from_name"]: part["value"]["choices"] for part in task["predictions"][0]["result"]}
        assert set(marked) <= set(named)
        assert marked == (
            {"verdict": ["wrong_label"], "region": [card["proposed_region"]]}
            if card["proposed_region"]
            else {"verdict": ["out_of_domain"]}
        )


def test_a_label_that_the_models_would_give_too_is_not_marked_as_wrong(root: Pair) -> None:
    paths, settings = root
    ranked = read_table(paths.label_errors)
    write_table(
        paths.label_errors,
        ranked.assign(
            kind=ranked["kind"].mask(ranked.index == 0, "near_duplicate"),
            proposed_region=ranked["proposed_region"].mask(ranked.index == 0, ranked["given_region"]),
        ),
    )
    build_worklist(Root(paths, settings))
    (first, *_) = tasks(root)
    assert first["data"]["kind"] == "near_duplicate"
    assert [part["value"]["choices"] for part in first["predictions"][0]["result"]] == [["given_is_right"]]


def annotated(
    task: dict[str, Any], number: int, by: object, verdict: str, region: str = "", at: str = "2026-03-01T10:05:00Z"
) -> dict[str, Any]:
    """The task as Label Studio exports it after one annotation."""
    said = {"verdict": verdict} | ({"region": region} if region else {})
    result = [
        {"from_name": name, "to_name": "image", "type": "choices", "origin": "manual", "value": {"choices": [choice]}}
        for name, choice in said.items()
    ]
    times = {"created_at": "2026-03-01T10:00:00Z", "updated_at": at}
    annotation = {"id": number, "completed_by": by, "was_cancelled": False, "result": result, **times}
    return {**task, "id": number, "annotations": [annotation]}


def results(root: Pair, *done: dict[str, Any]) -> Path:
    path = root[0].root.parent / "project.json"
    path.write_text(json.dumps(done))
    return path


def test_label_studio_s_results_come_back_once_each(root: Pair) -> None:
    made = tasks(root)
    skipped = annotated(made[2], 12, 1, "given_is_right")
    skipped["annotations"][0]["was_cancelled"] = True
    path = results(
        root,
        annotated(made[0], 10, 1, "wrong_label", "hand"),
        annotated(made[1], 11, {"id": 2, "email": "b@example.org"}, "undetermined"),
        skipped,
        {**made[3], "annotations": []},
    )
    names = {"1": "Dr A", "b@example.org": "Dr B"}
    assert [import_verdicts(Root(*root), path, names) for _ in range(2)] == [2, 0]
    data = [task["data"] for task in made]
    assert recorded(root) == [
        (data[0]["image_id"], "wrong_label", "hand", data[0]["given_region"], "Dr A"),
        (data[1]["image_id"], "undetermined", "", data[1]["given_region"], "Dr B"),
    ]
    ledger = load_verdicts(root[0])
    assert set(ledger["at"]) == {"2026-03-01T10:05:00Z"}
    assert set(zip(ledger["model_version"], ledger["data_version"], strict=True)) == shown(root)


@pytest.mark.slow
def test_an_answer_changed_in_label_studio_and_changed_back_is_a_further_entry_each_time(root: Pair) -> None:
    task = tasks(root)[0]
    for minute, verdict in enumerate(("undetermined", "out_of_domain", "undetermined")):
        path = results(root, annotated(task, 10, 1, verdict, at=f"2026-03-01T10:0{minute}:00Z"))
        assert [import_verdicts(Root(*root), path, ONE) for _ in range(2)] == [1, 0]
    assert [row[1] for row in recorded(root)] == ["undetermined", "out_of_domain", "undetermined"]


@pytest.mark.slow
def test_a_row_without_a_time_counts_when_it_is_not_what_was_said_last(root: Pair) -> None:
    image_id, path = next(iter(load_worklist(root[0]).cards)), root[0].root.parent / "v.csv"
    for verdict in ("undetermined", "out_of_domain", "undetermined"):
        path.write_text(f"image_id,verdict,region,at\n{image_id},{verdict},,\n{image_id},{verdict},,\n")
        assert [import_verdicts(Root(*root), path, ONE) for _ in range(2)] == [1, 0]
    assert [row[1] for row in recorded(root)] == ["undetermined", "out_of_domain", "undetermined"]


@pytest.mark.parametrize("to", ["csv", "label-studio"])
def test_given_is_right_means_the_label_that_was_shown_though_it_was_corrected_meanwhile(root: Pair, to: str) -> None:
    card = next(iter(load_worklist(root[0]).cards.values()))
    if to == "csv":
        path = exported(root, to) / "worklist.csv"
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table.loc[0, "verdict"] = "given_is_right"
        table.to_csv(path, index=False)
    else:
        path = results(root, annotated(tasks(root)[0], 10, 1, "given_is_right"))
    training = load_training_set(root[0])
    mine = training["image_id"] == card["image_id"]
    write_table(root[0].training_set, training.assign(region=training["region"].mask(mine, card["proposed_region"])))
    assert import_verdicts(Root(*root), path, ONE) == 1
    assert recorded(root) == [(card["image_id"], "given_is_right", "", card["given_region"], "Dr A")]
    assert load_corrected_labels(root[0])["region"].tolist() == [card["given_region"]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda task: task["annotations"][0].update(completed_by=7), "annotator 7 has no name"),
        (lambda task: task["data"].update(given_region="moon"), "no region of this root: 'moon'"),
        (lambda task: task["data"].update(given="hand"), "an older version of RayTruth"),
        (lambda task: task["annotations"][0].update(result=[]), "needs exactly one verdict"),
        (lambda task: task["data"].pop("image_id"), "not a Label Studio export"),
        (lambda task: task.pop("annotations"), "not a Label Studio export"),
        (lambda task: task["data"].update(image_id="0" * 31 + "x"), "the training set lacks"),
        (lambda task: task["annotations"][0]["result"][1]["value"].update(choices=["tail"]), "not 'tail'"),
    ],
)
def test_what_cannot_be_recorded_is_named_and_nothing_is(root: Pair, change: Any, problem: str) -> None:
    made = tasks(root)
    bad = annotated(made[1], 11, 1, "wrong_label", "hand")
    change(bad)
    path = results(root, annotated(made[0], 10, 1, "undetermined"), bad)
    with pytest.raises(RayTruthError, match=problem) as error:
        import_verdicts(Root(*root), path, {"1": "Dr A"})
    assert error.value.do
    assert recorded(root) == []


def test_a_file_of_another_kind_is_no_export(root: Pair) -> None:
    path = results(root)
    for content in ("", "{}", "[1]", '{"a": 1}'):
        path.write_text(content)
        with pytest.raises(RayTruthError, match="not a Label Studio export"):
            import_verdicts(Root(*root), path, ONE)


def test_a_folder_that_exists_is_not_written_over(root: Pair) -> None:
    folder = exported(root, "csv")
    (folder / "worklist.csv").write_text("answered")
    with pytest.raises(RayTruthError, match="exists already"):
        export_worklist(root[0], regions(root), folder, "csv")
    assert (folder / "worklist.csv").read_text() == "answered"
