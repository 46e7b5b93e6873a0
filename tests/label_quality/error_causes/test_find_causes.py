"""The table of causes: what it says of a planted one, what reviewers change, what stays private."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.roots import settings_of, where_found
from support.suspicious import PROTOCOL, STATION, suspicious_root
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.core.atomic_io import read_table, write_table
from dagster_project.core.ledger import Verdict, append_verdicts
from dagster_project.core.paths import Paths
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy
from dagster_project.label_quality.error_causes.find import find_causes

Root = tuple[Paths, pd.DataFrame]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    return suspicious_root(tmp_path_factory.mktemp("causes") / "root")


def say(paths: Paths, image_ids: list[str], verdict: str, region: str = "") -> None:
    regions = load_taxonomy(paths.root / settings_of(paths).regions).regions
    append_verdicts(paths, [Verdict(i, verdict, region, "shoulder", "elbow", "Dr A") for i in image_ids], regions)


def test_the_planted_cause_becomes_a_sentence_with_its_images(root: Root) -> None:
    paths, rows = root
    assert find_causes(paths).tested > 5
    (cause,) = read_table(paths.error_causes).to_dict("records")
    assert cause["cause"].startswith(f"Station {STATION} labels elbow images as *shoulder*: about ")
    assert " in comparable groups)." in cause["cause"]
    assert (cause["given_region"], cause["shown_region"]) == ("shoulder", "elbow")
    assert cause["error_rate"] > 5 * cause["baseline_rate"]
    assert cause["q_value"] < 0.05
    planted = rows[rows["header_region"] != rows["truth"]]
    behind = set(cause["image_ids"])
    assert len(behind & set(planted["image_id"])) >= 0.9 * len(behind) >= 5
    assert cause["reviewed"] == 0


def test_protocols_and_true_months_are_mined_but_stay_private(root: Root) -> None:
    paths, _ = root
    assert find_causes(paths).private >= 1
    private = read_table(paths.private_error_causes)
    assert {"protocol", "month"} & set(private["factor"].str.split(" x ").str[0])
    assert private["cause"].str.contains(PROTOCOL.casefold()).any() or private["cause"].str.contains("2026-03").any()
    assert paths.private_error_causes.is_relative_to(paths.private)
    assert where_found("CANARY", paths.root, leave_out=("data/private",)) == []
    assert where_found("canaryprotocol", paths.root, leave_out=("data/private",)) == []
    assert "2026-" not in read_table(paths.error_causes).to_csv()


@pytest.mark.slow
def test_where_private_data_is_missing_the_rest_is_the_same(tmp_path: Path) -> None:
    paths, _ = suspicious_root(tmp_path / "root")
    with_it = find_causes(paths).causes
    paths.label_texts.unlink()
    without = find_causes(paths)
    assert without.private == 0
    pd.testing.assert_frame_equal(without.causes, with_it)


@pytest.mark.slow
def test_what_reviewers_found_right_is_held_against_nobody_and_what_they_found_wrong_counts(tmp_path: Path) -> None:
    paths, rows = suspicious_root(tmp_path / "root")
    planted = rows.loc[rows["header_region"] != rows["truth"], "image_id"].tolist()
    say(paths, planted[:6], "wrong_label", "elbow")
    (cause,) = find_causes(paths).causes.to_dict("records")
    assert (cause["reviewed"], cause["found_wrong"]) == (6, 6)
    assert set(planted[:6]) <= set(cause["image_ids"])
    say(paths, planted, "given_is_right")
    assert find_causes(paths).causes.empty


def test_the_command_prints_the_sentence_and_nothing_private(root: Root, wide: None) -> None:
    paths, _ = root
    shown = CliRunner().invoke(app, ["--root", str(paths.root), "find-causes"])
    assert shown.exit_code == 0
    assert f"Station {STATION} labels elbow images as *shoulder*" in shown.output
    assert "canaryprotocol" not in shown.output.casefold()
    assert "2026-03" not in shown.output


@pytest.mark.slow
def test_a_station_s_name_is_shown_as_it_is_and_a_withheld_one_is_no_group(tmp_path: Path, wide: None) -> None:
    paths, _ = suspicious_root(tmp_path / "root")
    headers = read_table(paths.headers("first"))
    write_table(paths.headers("first"), headers.assign(station=headers["station"].replace(STATION, "[/bold]R [2]")))
    shown = CliRunner().invoke(app, ["--root", str(paths.root), "find-causes"])
    assert "Station [/bold]R [2] labels elbow images as *shoulder*" in shown.output
    write_table(paths.headers("first"), headers.assign(station=headers["station"].replace(STATION, "(withheld)")))
    assert not find_causes(paths).causes["cause"].str.contains("withheld").any()
