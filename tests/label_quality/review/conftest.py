"""A served review page and a browser for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.served import Served

from dagster_project.core.paths import Paths

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts servers that do not outlive the test."""
    started: list[Served] = []

    def start(paths: Paths, *words: str, package: Path | None = None) -> Served:
        started.append(Served(paths, *words, package=package))
        return started[-1]

    yield start
    for served in started:
        served.kill()


@pytest.fixture
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    if not CHROMIUM and not os.environ.get("RAYTRUTH_TEST_EVERYTHING"):
        pytest.skip("no Chromium here: the review page is not tested (apt install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()
