"""The review page in a real browser, by keyboard, served by `raytruth review` in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from support.archive import REGIONS
from support.browser import BARRIERS, CLOCK
from support.reviewing import SIDE, ranked_root
from support.served import Served, opened, press, says, shown

from dagster_project.core.atomic_io import write_table
from dagster_project.core.ledger import Verdict, append_verdicts, current_verdicts, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.label_quality.review.cards import load_sample, load_worklist
from dagster_project.label_quality.review.worklist import build_worklist

pytestmark = pytest.mark.slow

SUSPECTS = 120


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "root")
    build_worklist(Root(paths, ranked_root(paths, SUSPECTS, files=3)))
    return paths


@pytest.fixture
def served(paths: Paths, serve: Callable[..., Served]) -> Served:
    return serve(paths, "--reviewer", "Dr A")


def test_nobody_is_answered_without_the_token(paths: Paths, served: Served) -> None:
    image = next(iter(load_worklist(paths).cards))
    token = served.address.split("=")[1]
    answer = {"image_id": image, "verdict": "out_of_domain", "region": "", "verdict_id": "a" * 32}
    for wrong in (None, "", "wrong", token[:-1], token + "x"):
        assert served.ask("api/state", wrong) == 401
        assert served.ask(f"api/images/{image}", wrong) == 401
        assert served.ask(f"api/originals/{image}", wrong) == 401
        assert served.ask("api/verdicts", wrong, answer) == 401
    assert len(load_verdicts(paths)) == 0
    for path in (
        "api/images/..%2Fcards.json",
        "api/images/cards",
        "api/originals/..%2fx",
        "image.css",
        "server.py",
    ):
        assert served.ask(path, token) == 404
    for senseless, status in (
        ({}, 400),
        (answer | {"verdict": 3}, 400),
        (answer | {"image_id": "nobody"}, 409),
        (answer | {"verdict": "retracted"}, 409),
        (answer | {"verdict": "wrong_label", "region": "moon"}, 409),
        (answer | {"verdict_id": "../x"}, 409),
    ):
        assert served.ask("api/verdicts", token, senseless) == status
    assert len(load_verdicts(paths)) == 0
    assert [served.ask("api/verdicts", token, answer) for _ in range(2)] == [200, 200]
    assert load_verdicts(paths)[["image_id", "reviewer"]].to_numpy().tolist() == [[image, "Dr A"]]


@pytest.mark.slow
@pytest.mark.browser
def test_answers_by_keyboard_are_in_the_ledger_before_the_page_says_so(
    paths: Paths, served: Served, browser, tmp_path: Path
) -> None:
    page = opened(browser, served.address)
    cards = list(load_worklist(paths).cards.values())
    assert "token" not in page.url
    assert page.locator("#visible").inner_text() == f"{REGIONS[0]} 0.97, {REGIONS[1]} 0.62"
    page.screenshot(path=tmp_path / "first.png")
    press(page, "p", "g", "o")  # ranks 1 to 3 are wrong labels
    press(page, "g")  # rank 4 has no given label: nothing is recorded
    assert "no given label" in page.locator("#message").inner_text()
    assert len(load_verdicts(paths)) == 3
    second = "23"[cards[5]["given_region"] == REGIONS[1]]
    press(page, "s", "x", "u", "1", "t", "Escape", "t", second)
    ledger = load_verdicts(paths)
    assert ledger["verdict"].tolist()[:5] == [
        "wrong_label",
        "given_is_right",
        "out_of_domain",
        "undetermined",
        "retracted",
    ]
    assert ledger["image_id"].tolist()[:5] == [cards[i]["image_id"] for i in (0, 1, 2, 4, 4)]
    assert ledger["proposed_region"].tolist()[0] == ledger["region"].tolist()[0] == cards[0]["proposed_region"]
    assert len(ledger) == 7
    last = ledger[["image_id", "verdict", "region"]].iloc[-1].tolist()
    assert last == [cards[5]["image_id"], "two_regions", REGIONS[int(second) - 1]]
    assert set(ledger["model_version"]) == {load_worklist(paths).model_version}
    assert page.locator("#progress").inner_text() == "5 of 120 done, 5 by Dr A"
    assert page.locator("#errors").inner_text() == "3 errors in 5 decided (60 %)"
    assert page.locator("#run").inner_text() == "1 in a row; stopping rule at 58"
    page.screenshot(path=tmp_path / "later.png")
    page.dispatch_event("#kind", "pointerdown")
    page.focus("#kind")
    page.select_option("#kind", "missing_label")
    shown(page)
    assert page.evaluate("document.activeElement.id") == "view", "chosen by mouse: keys answer at once"
    assert "missing label" in page.locator("#title").inner_text()
    press(page, "+", "[", ".")
    assert "scale(1.25)" in page.locator("#image").get_attribute("style")
    page.uncheck("#hotkeys")
    before = len(load_verdicts(paths))
    page.keyboard.press("o")
    page.wait_for_timeout(500)
    assert len(load_verdicts(paths)) == before, "single keys can be switched off"
    assert page.errors == []


@pytest.mark.slow
@pytest.mark.browser
def test_neither_a_closed_browser_nor_a_killed_server_loses_a_verdict(paths: Paths, serve, browser) -> None:
    served = serve(paths)
    one_browser = browser.new_context()
    page = one_browser.new_page()
    page.goto(served.address)
    page.get_by_label("Your name").fill("Dr B")
    page.keyboard.press("Enter")
    shown(page)
    press(page, "o", "o")
    page.close()
    page = opened(one_browser, served.address)
    assert "2 by Dr B" in page.locator("#progress").inner_text()
    served.kill()
    there = page.locator("#title").inner_text()
    page.keyboard.press("o")
    page.locator("#problem", has_text="probably not recorded").wait_for()
    shown(page)
    assert page.locator("#title").inner_text() == there, "the page goes back to what was not recorded"
    assert current_verdicts(load_verdicts(paths))["reviewer"].tolist() == ["Dr B", "Dr B"]
    page = opened(browser, serve(paths, "--reviewer", "Dr B").address)
    assert "2 by Dr B" in page.locator("#progress").inner_text()


@pytest.mark.slow
@pytest.mark.browser
def test_after_an_answer_that_could_not_be_recorded_the_page_goes_on_where_it_was(
    paths: Paths, served: Served, browser
) -> None:
    page = opened(browser, served.address)
    there = page.locator("#title").inner_text()
    page.route("**/api/verdicts", lambda route: route.abort())
    page.keyboard.press("o")
    page.locator("#problem", has_text="probably not recorded").wait_for()
    shown(page)
    assert page.locator("#title").inner_text() == there
    assert len(load_verdicts(paths)) == 0
    page.unroute("**/api/verdicts")
    press(page, "o", "x")
    assert page.locator("#problem").inner_text() == ""
    assert load_verdicts(paths)["verdict"].tolist() == ["out_of_domain", "undetermined"]
    assert load_verdicts(paths)["image_id"].tolist() == list(load_worklist(paths).cards)[:2]
    page.route("**/api/retractions", lambda route: route.abort())
    page.keyboard.press("u")
    page.locator("#problem", has_text="probably not recorded").wait_for()
    page.unroute("**/api/retractions")
    shown(page)
    press(page, "u")
    says(page, "#message", "retracted")
    assert len(current_verdicts(load_verdicts(paths))) == 1
    assert page.errors == []


@pytest.mark.slow
@pytest.mark.browser
def test_the_original_is_shown_where_it_can_be_reached_and_the_page_says_what_it_shows(
    paths: Paths, served: Served, browser, tmp_path: Path
) -> None:
    (tmp_path / "export" / "IM1.dcm").unlink()
    page = opened(browser, served.address)
    says(page, "#shown", "Shown: the original file, 400 × 500 px; no burned-in text was found.")
    assert page.evaluate("document.querySelector('#image').naturalHeight") == 500
    page.screenshot(path=tmp_path / "original.png")
    press(page, "o")
    says(
        page,
        "#shown",
        "Shown: the small image that the models use; the original is not available: its file was moved or deleted.",
    )
    assert page.evaluate("document.querySelector('#image').naturalHeight") == SIDE
    press(page, "o")
    says(page, "#shown", "the original file, 400 × 500 px")
    assert page.errors == []


@pytest.mark.slow
@pytest.mark.browser
def test_the_list_is_narrowed_by_station_and_cause_and_the_stop_rule_is_said(paths: Paths, serve, browser) -> None:
    worklist = load_worklist(paths)
    ids = list(worklist.cards)
    write_table(
        paths.error_causes, pd.DataFrame({"cause": ["ROOM2 labels feet as hands"], "image_ids": [[ids[75], ids[80]]]})
    )
    said = [
        Verdict(
            i, "given_is_right", "", worklist.cards[i]["given_region"], worklist.cards[i]["proposed_region"], "Dr B"
        )
        for i in [i for i in ids if worklist.cards[i]["given_region"]][:57]
    ]
    append_verdicts(paths, said, REGIONS)
    page = opened(browser, serve(paths, "--reviewer", "Dr A").address)
    assert "57 in a row" in page.locator("#run").inner_text()
    assert page.locator("#stop").inner_text() == ""
    assert "ROOM3 (40)" in page.locator("#station").inner_text()
    page.select_option("#causes", "ROOM2 labels feet as hands")
    shown(page)
    assert "Rank 76:" in page.locator("#title").inner_text()
    assert page.locator("#cause").inner_text() == "ROOM2 labels feet as hands"
    page.select_option("#station", "ROOM3")
    shown(page)
    assert "Rank 81:" in page.locator("#title").inner_text()
    page.locator("#station").press("Escape")
    press(page, "g")
    assert page.locator("#title").inner_text() == "There is nothing more to review here."
    assert "58 in a row without an error: you may stop" in page.locator("#stop").inner_text()
    press(page, "u")
    assert "Rank 81:" in page.locator("#title").inner_text(), "what was undone is shown again"
    assert page.locator("#stop").inner_text() == ""
    assert page.errors == []


@pytest.mark.slow
@pytest.mark.browser
def test_the_list_is_narrowed_to_turned_images(paths: Paths, serve, browser) -> None:
    ids = list(load_worklist(paths).cards)
    found = pd.DataFrame({"image_id": [ids[7], ids[9]], "finding": ["inverted", "turned by 180°"]})
    write_table(paths.orientation, found)
    page = opened(browser, serve(paths, "--reviewer", "Dr A").address)
    assert not page.locator("#oriented").is_visible()
    assert f"nothing found ({len(ids) - 2})" in page.locator("#orientation").inner_text()
    page.select_option("#orientation", "turned by 180°")
    shown(page)
    assert "Rank 10:" in page.locator("#title").inner_text()
    assert page.locator("#oriented").inner_text() == "turned by 180°, against similar images"
    press(page, "o")
    assert page.locator("#title").inner_text() == "There is nothing more to review here."
    assert page.errors == []


@pytest.mark.slow
@pytest.mark.browser
def test_a_random_sample_is_read_without_a_word_of_the_models_and_says_what_is_left(
    paths: Paths, serve, browser, tmp_path: Path
) -> None:
    everyone = load_training_set(paths)["image_id"]
    write_table(paths.orientation, pd.DataFrame({"image_id": everyone, "finding": "inverted"}))
    page = opened(browser, serve(paths, "--reviewer", "Dr A", "--sample", "3").address)
    assert page.locator("#title").inner_text() == "Image 1: random sample"
    assert page.locator("#sample").inner_text() == "no image decided yet"
    of_models = ("#proposed-label", "#visible", "#oriented", "#neighbourhood", "#cause")
    for hidden in (*of_models, "#errors", "#run", "#expected", "nav", "#stop"):
        assert not page.locator(hidden).is_visible(), hidden
    assert "proposed" not in page.locator("#session").inner_text()
    page.screenshot(path=tmp_path / "sample.png")
    press(page, "p")
    assert len(load_verdicts(paths)) == 0, "there is no proposal to agree with"
    press(page, "g", "o")
    assert "1 wrong of 2 decided (drawn: 3), 50.0 % (1.3 to 98.7 %)" in page.locator("#sample").inner_text()
    assert page.evaluate(BARRIERS) == []
    press(page, "x")
    assert page.locator("#title").inner_text() == "There is nothing more to review here."
    assert set(load_verdicts(paths)["image_id"]) == set(load_sample(paths, 3, 1).cards)
    page.close()
    page = opened(browser, serve(paths, "--reviewer", "Dr A").address)
    assert "1 wrong of 2 decided" in page.locator("#sample").inner_text()
    assert page.locator("#errors").inner_text() == "0 errors in 0 decided"
    assert page.errors == []


@pytest.mark.slow
@pytest.mark.browser
def test_the_page_can_be_used_by_screen_reader_and_without_colour(served: Served, browser, tmp_path: Path) -> None:
    page = opened(browser, served.address)
    says(page, "#shown", "the original")
    assert page.evaluate(BARRIERS) == []
    assert page.evaluate("document.activeElement.id") == "view"
    title = page.locator("#announcement").inner_text()
    assert title.startswith("Rank 1, wrong label: Radiograph, given label")
    press(page, "o")
    assert page.locator("#announcement").inner_text().startswith("Rank 2,"), "the next image is announced"
    assert page.locator("#message").inner_text() == "✓ recorded rank 1: out of domain"
    page.locator("#answers button", has_text="cannot tell").focus()
    page.keyboard.press("Enter")
    says(page, "#message", "✓ recorded rank 2: cannot tell")
    for width, height in ((1440, 900), (1024, 768), (640, 900)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{width} px: nothing is cut off"
        if width > 800:
            bottom = page.evaluate("document.querySelector('#radiograph').getBoundingClientRect().bottom")
            assert bottom <= height, "the whole image is in sight"
        page.screenshot(path=tmp_path / f"{width}.png")
        assert page.evaluate(BARRIERS) == []
    assert page.errors == []


@pytest.mark.slow
@pytest.mark.browser
def test_a_hundred_verdicts_by_keyboard(served: Served, paths: Paths, browser, capsys) -> None:
    page = opened(browser, served.address)
    page.evaluate(CLOCK)
    for i in range(100):
        page.keyboard.press("pox"[i % 3])
        shown(page)
    page.locator("#message", has_not_text="recording").wait_for(state="attached")
    waits = page.evaluate("window.waits")
    with capsys.disabled():
        print(f"\n100 verdicts by keyboard, without a pause: {sorted(waits)[50]:.0f} ms to the next image (median)")
    assert len(waits) == len(load_verdicts(paths)) == 100
    assert page.errors == []
