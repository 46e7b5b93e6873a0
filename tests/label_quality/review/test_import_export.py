"""Answers from the review page into the ledger, and corrections out again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import content_hash, read_table, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import load_corrected_labels, load_verdicts
from dagster_project.intake.training_set.build import build_training_set, load_training_set
from dagster_project.label_quality.review.import_export import export_corrections, import_verdicts
from dagster_project.label_quality.review.worklist import model_version_of

pytestmark = pytest.mark.slow

AT = "2026-03-01T10:00:00Z"


@pytest.fixture
def root(made_once: Callable[..., Path], tmp_path: Path) -> Trained:
    return trained_root(made_once).copied_to(tmp_path / "root")


def answers(root: Trained, *rows: tuple[int, str, str]) -> Path:
    """A CSV as the page saves it: (row of the training set, verdict, region)."""
    ids = load_training_set(root.paths)["image_id"]
    path = root.paths.root / "verdicts.csv"
    lines = [f"{ids[row]},{verdict},{region},{AT}" for row, verdict, region in rows]
    path.write_text("\n".join(["image_id,verdict,region,at", *lines]) + "\n")
    return path


def take(root: Trained, path: Path, reviewer: str = "Dr A") -> int:
    return import_verdicts(root.open(), path, {"": reviewer})


def other_region(root: Trained, row: int) -> str:
    return "hand" if load_training_set(root.paths)["region"][row] != "hand" else "knee"


def test_answers_flow_into_ledger_corrected_labels_and_the_next_training_set(root: Trained) -> None:
    right = other_region(root, 3)
    assert take(root, answers(root, (3, "wrong_label", right), (5, "out_of_domain", ""))) == 2
    table = load_training_set(root.paths)
    ledger = load_verdicts(root.paths)
    assert ledger["image_id"].tolist() == table["image_id"][[3, 5]].tolist()
    assert ledger["given_region"].tolist() == table["region"][[3, 5]].fillna("").tolist()
    assert set(ledger["reviewer"]) == {"Dr A"}
    assert set(ledger["data_version"]) == {content_hash(root.paths.training_set)}
    assert set(ledger["model_version"]) == {model_version_of(root.open())}
    assert load_corrected_labels(root.paths).set_index("image_id")["region"].to_dict() == {
        table["image_id"][3]: right,
        table["image_id"][5]: "",
    }
    build_training_set(root.open())
    after = load_training_set(root.paths)
    assert after.loc[3, ["region", "reviewed", "label_attribute"]].tolist() == [right, True, "review"]
    assert after.loc[5, "label_status"] == "out_of_domain"
    assert after["split"].tolist() == table["split"].tolist()


def test_the_same_file_again_adds_nothing_and_another_reviewer_s_does(root: Trained) -> None:
    path = answers(root, (3, "given_is_right", ""))
    assert [take(root, path), take(root, path), take(root, path, "Dr B")] == [1, 0, 1]
    assert load_verdicts(root.paths)["reviewer"].tolist() == ["Dr A", "Dr B"]


def test_the_later_of_two_contradicting_answers_counts(root: Trained) -> None:
    right = other_region(root, 3)
    take(root, answers(root, (3, "out_of_domain", "")))
    take(root, answers(root, (3, "wrong_label", right)), "Dr B")
    assert load_corrected_labels(root.paths)[["region", "reviewer"]].to_numpy().tolist() == [[right, "Dr B"]]
    assert len(load_verdicts(root.paths)) == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("image_id,verdict,region,at\nnobody,out_of_domain,,x\n", "the training set lacks, such as nobody"),
        ("image_id,verdict,at\na,out_of_domain,x\n", "the columns region are missing"),
        ("", "cannot be read"),
        ('image_id,verdict,region,at\n"a', "cannot be read"),
        ("IMAGE,wrong_label,elbow_joint,x", "not 'elbow_joint'"),
        ("IMAGE,sure,,x", "unknown verdict"),
        ("IMAGE,out_of_domain,hand,x", "takes no region"),
    ],
)
def test_what_cannot_be_recorded_is_named_and_nothing_is(root: Trained, content: str, problem: str) -> None:
    path, image = root.paths.root / "verdicts.csv", load_training_set(root.paths)["image_id"][0]
    good = f"{image},out_of_domain,,x\n"
    if content.startswith("IMAGE"):
        content = "image_id,verdict,region,at\n" + good + content.replace("IMAGE", image) + "\n"
    path.write_text(content)
    with pytest.raises(RayTruthError, match=problem) as error:
        take(root, path)
    assert error.value.do
    assert len(load_verdicts(root.paths)) == 0
    assert not root.paths.corrected_labels.exists()


def test_a_file_that_is_not_there_or_no_text_is_an_error(root: Trained) -> None:
    with pytest.raises(RayTruthError, match="cannot be read"):
        take(root, root.paths.root / "none.csv")
    (root.paths.root / "v.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(RayTruthError, match=r"cannot be read|are missing"):
        take(root, root.paths.root / "v.csv")


def test_a_nameless_reviewer_is_refused(root: Trained) -> None:
    with pytest.raises(RayTruthError, match="no reviewer"):
        take(root, answers(root, (3, "out_of_domain", "")), "  ")


def test_corrections_go_out_with_the_original_uids_where_the_label_changes(
    root: Trained, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = load_training_set(root.paths)
    write_table(
        root.paths.identities,
        pd.DataFrame(
            {
                "image_id": table["image_id"],
                "sop_instance_uid": [f"1.2.{i}" for i in range(len(table))],
                "study_instance_uid": "1.3",
            }
        ),
    )
    right, known = other_region(root, 3), read_table(root.paths.identities)
    take(root, answers(root, (3, "wrong_label", right), (5, "out_of_domain", ""), (6, "given_is_right", "")))
    take(root, answers(root, (8, "wrong_label", other_region(root, 8))))
    write_table(root.paths.identities, known.drop(index=8))
    assert export_corrections(root.open(), tmp_path / "out.csv") == 2
    out = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert out[["sop_instance_uid", "region"]].to_numpy().tolist() == [["1.2.3", right], ["1.2.5", ""]]
    assert "image_id" not in out
    assert "1 corrections are left out, because their images are in no batch any more" in caplog.text


def test_with_nothing_corrected_there_is_nothing_to_export(root: Trained, tmp_path: Path) -> None:
    take(root, answers(root, (3, "given_is_right", "")))
    with pytest.raises(RayTruthError, match="no corrections yet"):
        export_corrections(root.open(), tmp_path / "out.csv")
