"""`raytruth review` in a process of its own, and its page in a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from dagster_project.core.paths import Paths

MAIN = "from dagster_project.cli.main import main; main()"


class Served:
    """`raytruth review` on a free port; `address` as it printed it. `package` holds another copy of the code."""

    def __init__(self, paths: Paths, *words: str, package: Path | None = None) -> None:
        command = [sys.executable, "-c", MAIN, "--root", str(paths.root), "review", "--port", "0", *words]
        changed = {"PYTHONPATH": str(package)} if package else {}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=paths.root, env=os.environ | changed
        )
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:"), self.address

    def ask(self, path: str, token: str | None, body: dict | None = None) -> int:
        """The status of a request."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.address.split("#")[0] + path, data)
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def opened(browser, address: str):
    page = browser.new_page()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.set_default_timeout(120_000)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    shown(page)
    return page


def shown(page) -> None:
    """Wait until the next image is there to be answered, or none is left."""
    page.wait_for_selector("#session[aria-busy=false]")


def press(page, *keys: str) -> None:
    """Press keys one after the other, each when the next image is there and the page says that all is recorded."""
    for key in keys:
        page.keyboard.press(key)
        shown(page)
        page.locator("#message", has_not_text="recording").wait_for(state="attached")


def says(page, place: str, text: str) -> None:
    page.locator(place, has_text=text).wait_for(state="attached")
