"""A random sample of what the list leaves out: who is in it, where its verdicts go, and what it says of the rest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom
from support.archive import REGIONS
from support.reviewing import ranked_root
from support.roots import settings_of
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.core.atomic_io import read_table, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.hash_chain import CHAIN_COLUMNS, chained
from dagster_project.core.ledger import VERDICT_COLUMNS, Verdict, append_verdicts, load_verdicts, verified_head
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.label_quality.review.acceptance_sampling import Draw, draw_of, estimates
from dagster_project.label_quality.review.cards import Worklist, load_sample, load_worklist
from dagster_project.label_quality.review.random_sample import draw_sample
from dagster_project.label_quality.review.review_budget import estimate_review_budget
from dagster_project.label_quality.review.review_session import ReviewSession
from dagster_project.label_quality.review.worklist import build_worklist

SUSPECTS, OTHERS = 10, 60
DRAW = Draw(1, 100, 2000, "abc")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "root")
    build_worklist(Root(paths, ranked_root(paths, SUSPECTS, OTHERS)))
    return paths


def opened(paths: Paths) -> Root:
    return Root(paths, settings_of(paths))


def session_of(paths: Paths, worklist: Worklist) -> ReviewSession:
    return ReviewSession(paths, worklist, REGIONS, 0.0, {}, 0.0, clean=True)


def answer(session: ReviewSession, image_id: str, verdict: str, region: str = "", reviewer: str = "Dr A") -> str:
    verdict_id = f"{len(load_verdicts(session.paths)):032x}"
    session.answer(reviewer, image_id, verdict, region, verdict_id)
    return verdict_id


def wrongly(card: dict) -> tuple[str, str]:
    return "wrong_label", next(region for region in REGIONS if region != card["given_region"])


def sampled(*said: tuple[str, str], mark: str = DRAW.mark) -> pd.DataFrame:
    """Entries of (image, verdict) of one sample."""
    rows = [Verdict(i, v, "knee" if v == "wrong_label" else "", "hand", "", "A", sample=mark) for i, v in said]
    return pd.DataFrame([vars(row) for row in rows], columns=VERDICT_COLUMNS)


@pytest.mark.slow
def test_drawn_are_labelled_images_that_nobody_read_or_listed_each_as_likely(paths: Paths) -> None:
    listed = set(load_worklist(paths).cards)
    ranked = read_table(paths.label_errors)
    ranked.loc[ranked["image_id"] == ranked["image_id"].iloc[-1], "given_region"] = None
    write_table(paths.label_errors, ranked)
    read, unlabelled = ranked["image_id"].iloc[SUSPECTS], ranked["image_id"].iloc[-1]
    append_verdicts(paths, [Verdict(read, "undetermined", "", "hand", "knee", "Dr A")], REGIONS)
    drawn = Counter(image for seed in range(12) for image in draw_sample(opened(paths), 30, seed).cards)
    assert set(drawn) == set(ranked["image_id"]) - listed - {read, unlabelled}
    assert max(drawn.values()) < 12, "30 of 58 images, 12 times: none is drawn every time"


@pytest.mark.slow
def test_a_sample_shows_nothing_of_what_the_models_say_and_is_gone_on_with(paths: Paths) -> None:
    ranked = read_table(paths.label_errors)
    write_table(paths.label_errors, ranked.assign(proposed_region=REGIONS[0]))
    drawn = draw_sample(opened(paths), 8, 5)
    assert {card["given_region"] for card in drawn.cards.values()} > {REGIONS[0]}
    assert [card["rank"] for card in drawn.cards.values()] == list(range(1, 9))
    assert draw_of(drawn.sample).population == OTHERS
    for card in drawn.cards.values():
        assert not {"error_probability", "confidence", "model_agreement", "neighbourhood_noise"} & set(card)
        assert "visible_regions" not in card
        assert card["given_region"]
        assert card["proposed_region"] == ""
        nearest = [group["title"] for group in card["comparison"] if "nearest" in group["title"]]
        assert nearest == [f"nearest images labelled {card['given_region'].replace('_', ' ')}"]
        assert set(drawn.images) >= {
            card["image_id"],
            *(p["image_id"] for g in card["comparison"] for p in g["images"]),
        }
    again = load_sample(paths, 8, 5)
    assert again is not None
    assert list(again.cards) == list(drawn.cards)
    assert load_sample(paths, 9, 5) is load_sample(paths, 8, 6) is None
    assert list(draw_sample(opened(paths), 8, 5).cards) == list(drawn.cards), "the same seed draws the same"
    assert draw_of(draw_sample(opened(paths), 10_000, 5).sample).drawn == OTHERS
    assert load_sample(paths, 10_000, 5) is not None


@pytest.mark.slow
def test_its_verdicts_are_marked_in_one_chain_and_kept_out_of_the_ranked_yield(paths: Paths) -> None:
    session, of_sample = session_of(paths, load_worklist(paths)), session_of(paths, draw_sample(opened(paths), 6, 1))
    first = next(iter(session.worklist.cards))
    answer(session, first, "given_is_right")
    before, by_list = session.status("Dr A"), estimate_review_budget(paths)
    ids = list(of_sample.worklist.cards)
    answer(of_sample, ids[0], *wrongly(of_sample.worklist.cards[ids[0]]))
    answer(of_sample, ids[1], "given_is_right")
    answer(of_sample, ids[2], "undetermined")
    of_sample.retract("Dr A", ids[3], answer(of_sample, ids[3], "out_of_domain"))
    ledger = load_verdicts(paths)
    assert ledger["sample"].tolist() == ["", *[of_sample.worklist.sample] * 5]
    assert verified_head(paths)[0] == 6

    after, result = session.status("Dr A"), estimate_review_budget(paths)
    for same in ("open", "decided", "errors", "run_without_error", "mine"):
        assert after[same] == before[same]
    assert (
        (result.reviewed, result.found, result.run_without_error)
        == (by_list.reviewed, by_list.found, by_list.run_without_error)
        == (1, 0, 1)
    )
    assert result.unreviewed == by_list.unreviewed - 2
    told = of_sample.status("Dr A")
    assert told["open"] == ids[3:]
    assert told["sample"] == after["sample"]
    assert (told["sample"]["decided"], told["sample"]["undetermined"], told["sample"]["wrong"]) == (2, 1, 1)
    assert (told["decided"], told["errors"]) == (2, 1)
    assert [one.mark for one in result.samples] == [of_sample.worklist.sample]
    assert of_sample.status("Dr B")["open"] == [ids[0], *ids[2:]], "an error found by one is read by another"
    assert ids[0] not in load_worklist(paths).cards
    build_worklist(Root(paths, ranked_root(paths, SUSPECTS, OTHERS)))
    assert not {*ids[:3]} & set(load_worklist(paths).cards), "second readers read them in the sample, not in the list"


def test_naming_a_missing_label_finds_no_error(paths: Paths) -> None:
    session = session_of(paths, load_worklist(paths))
    without = next(card for card in session.worklist.cards.values() if not card["given_region"])
    answer(session, without["image_id"], "wrong_label", without["proposed_region"])
    told, result = session.status("Dr A"), estimate_review_budget(paths)
    assert (told["decided"], told["errors"], told["run_without_error"], told["missing_named"], told["mine"]) == (
        0,
        0,
        0,
        1,
        1,
    )
    assert (result.reviewed, result.found, result.run_without_error) == (0, 0, 0)


@pytest.mark.slow
def test_the_interval_holds_whatever_the_number_of_wrong_labels_there() -> None:
    """Exactly, over all that can be drawn: at least 95 in 100 samples have the truth in their interval."""
    size, population = 60, 400
    ends = []
    for wrong in range(size + 1):
        entries = sampled(*((f"{i}", "wrong_label" if i < wrong else "given_is_right") for i in range(size)))
        (one,) = estimates(entries.assign(sample=Draw(1, size, population, "x").mark))
        assert one.left == pytest.approx((population - size) * wrong / size)
        assert 0 <= one.left_low <= one.left <= one.left_high <= population - size
        ends.append((one.left_low + wrong, one.left_high + wrong))
    low, high = np.array(ends).T
    for truly in range(population + 1):
        holds = (low <= truly + 1e-9) & (truly - 1e-9 <= high)
        assert hypergeom.pmf(np.arange(size + 1)[holds], population, truly, size).sum() >= 0.95


def test_the_estimate_is_that_of_the_tables() -> None:
    """None wrong of 100: at most 3.6 % (Clopper & Pearson 1934), the rule of three's neighbour."""
    (one,) = estimates(sampled(*((f"{i}", "given_is_right") for i in range(100))))
    assert (one.rate, one.rate_low, one.left, one.left_low) == (0, 0, 0, 0)
    assert one.rate_high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert one.left_high == pytest.approx(2000 * one.rate_high)


def test_what_nobody_could_tell_counts_as_right_at_one_end_and_as_wrong_at_the_other() -> None:
    told = ["given_is_right"] * 97 + ["wrong_label"]
    (open_, right, wrong) = (
        estimates(sampled(*((f"{i}", verdict) for i, verdict in enumerate([*told, last, last]))))[0]
        for last in ("undetermined", "given_is_right", "out_of_domain")
    )
    assert (open_.decided, open_.undetermined, open_.wrong) == (98, 2, 1)
    assert (open_.rate_low, open_.rate, open_.rate_high) == (right.rate_low, 1 / 98, wrong.rate_high)
    assert open_.left_low <= open_.left <= open_.left_high


def test_each_draw_has_an_estimate_of_its_own_by_the_latest_word_on_each_image() -> None:
    first = sampled(("a", "wrong_label"), ("b", "given_is_right"), ("a", "given_is_right"))
    second = sampled(("c", "wrong_label"), ("d", "undetermined"), mark=Draw(2, 5, 50, "x").mark)
    doubts = sampled(("e", "undetermined"), mark=Draw(3, 5, 50, "x").mark)
    listed = sampled(("f", "wrong_label"), mark="")
    told = estimates(pd.concat([first, second, doubts, listed], ignore_index=True))
    assert [(one.seed, one.decided, one.undetermined, one.wrong) for one in told] == [(1, 2, 0, 0), (2, 1, 1, 1)]


def test_a_ledger_from_before_there_were_samples_goes_on_in_its_chain(paths: Paths) -> None:
    old = [name for name in VERDICT_COLUMNS if name != "sample"]
    said = vars(Verdict("a", "undetermined", "", "hand", "knee", "Dr A"))
    rows = chained([{name: said[name] for name in old}], "")
    write_table(paths.verdicts, pd.DataFrame(rows, columns=[*old, *CHAIN_COLUMNS]).astype("string"))
    _, head = verified_head(paths)
    append_verdicts(paths, [Verdict("b", "undetermined", "", "hand", "", "Dr A", sample=DRAW.mark)], REGIONS)
    assert load_verdicts(paths)["sample"].tolist() == ["", DRAW.mark]
    assert verified_head(paths, head)[0] == 2


def test_a_changed_mark_breaks_the_chain(paths: Paths) -> None:
    append_verdicts(paths, [Verdict("b", "undetermined", "", "hand", "", "Dr A", sample=DRAW.mark)], REGIONS)
    write_table(paths.verdicts, load_verdicts(paths).assign(sample=""))
    with pytest.raises(RayTruthError, match="chain breaks at entry 1"):
        load_verdicts(paths)


def test_nothing_left_to_draw_from_is_said(paths: Paths) -> None:
    ranked = read_table(paths.label_errors)
    said = [Verdict(i, "undetermined", "", "hand", "knee", "Dr A") for i in ranked["image_id"]]
    append_verdicts(paths, said, REGIONS)
    shown = CliRunner().invoke(app, ["--root", str(paths.root), "review", "--port", "0", "--sample", "5"])
    assert shown.exit_code == 1
    assert not paths.random_sample.exists()
    with pytest.raises(RayTruthError, match="no image to draw"):
        draw_sample(opened(paths), 5, 1)


@pytest.mark.slow
def test_the_command_that_says_what_reading_on_is_worth_says_it_too(paths: Paths) -> None:
    session = session_of(paths, draw_sample(opened(paths), 6, 7))
    for image_id, card in list(session.worklist.cards.items())[:4]:
        answer(session, image_id, *(wrongly(card) if card["rank"] == 1 else ("given_is_right",)))
    shown = CliRunner().invoke(app, ["--root", str(paths.root), "review-budget"])
    assert shown.exit_code == 0
    for words in ("4 of 6", "25.0%", "(0.6%", "80.6%)"):
        assert words in shown.output
