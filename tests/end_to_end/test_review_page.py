"""The worklist in a real browser, by keyboard, and the answers' way into the next training set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from dagster_project.layout import Layout

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.browser]
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture
def page(learned: Layout) -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    if not CHROMIUM and not os.environ.get("RAYTRUTH_TEST_EVERYTHING"):
        pytest.skip("no Chromium here: the review page is not tested (apt install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((learned.worklist / "index.html").as_uri())
        yield page
        assert errors == []
        browser.close()


def test_answers_by_keyboard_are_saved_as_csv_undone_and_kept(page, tmp_path: Path) -> None:
    cards = page.locator("article")
    total = cards.count()
    assert total >= 5
    page.keyboard.press("o")
    page.keyboard.press("x")
    page.keyboard.press("u")
    page.keyboard.press("3")
    assert page.locator("#progress").inner_text() == f"2 of {total} answered"
    page.reload()
    assert page.locator("#progress").inner_text() == f"2 of {total} answered", "a closed page loses no answer"
    with page.expect_download() as saved:
        page.get_by_text("Save answers as CSV").click()
    saved.value.save_as(tmp_path / "verdicts.csv")
    table = pd.read_csv(tmp_path / "verdicts.csv", keep_default_na=False)
    first, second = (cards.nth(i).get_attribute("data-image") for i in (0, 1))
    assert table["image_id"].tolist() == [first, second]
    assert table["verdict"].tolist()[0] == "out_of_domain"
    assert table["region"].tolist()[1] in ("", cards.nth(1).locator("button").nth(2).get_attribute("data-region"))


def test_every_picture_of_the_page_loads_and_every_card_has_given_and_proposed_label(page) -> None:
    for card in page.locator("article").all()[:10]:
        card.scroll_into_view_if_needed()
        page.wait_for_timeout(50)
    broken = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).length")
    assert broken == 0
    words = page.locator("article").first.inner_text()
    assert "given" in words
    assert "proposed" in words


def test_the_filter_shows_one_kind_only(page) -> None:
    kind = page.locator("#kind option").nth(1).get_attribute("value")
    page.select_option("#kind", kind)
    shown = page.locator("article:visible")
    assert shown.count() == page.locator(f"article[data-kind={kind}]").count()


def test_saved_answers_correct_the_training_set(page, learned: Layout, tmp_path: Path, raytruth) -> None:
    copy = Layout(tmp_path / "copy")
    shutil.copytree(learned.root, copy.root, symlinks=True)
    page.keyboard.press("o")
    with page.expect_download() as saved:
        page.get_by_text("Save answers as CSV").click()
    saved.value.save_as(tmp_path / "verdicts.csv")
    image = pd.read_csv(tmp_path / "verdicts.csv")["image_id"][0]
    for _ in range(2):  # the same file twice adds nothing
        done = raytruth("review", "--verdicts", tmp_path / "verdicts.csv", "--reviewer", "Dr A", root=copy.root)
        assert done.returncode == 0, done.stderr
    assert len(pd.read_parquet(copy.verdicts)) == 1
    assert raytruth("split", root=copy.root).returncode == 0
    row = pd.read_parquet(copy.training_set).set_index("image_id").loc[image]
    assert row["label_status"] == "out_of_domain"
    assert row["reviewed"]
    done = raytruth("export-corrections", tmp_path / "corrections.csv", root=copy.root)
    assert done.returncode == 0, done.stderr
    exported = pd.read_csv(tmp_path / "corrections.csv")
    identities = pd.read_parquet(copy.identities).set_index("image_id")
    assert exported["sop_instance_uid"].tolist() == [identities.loc[image, "sop_instance_uid"]]
