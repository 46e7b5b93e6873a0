"""How long a reviewer waits for the next image, in a real browser.

    python -m benchmarks.label_quality.review_page ROOT

A hundred verdicts by keyboard (or as many as the worklist holds), without a pause and with a pause of one second, with
and without the original images. The peer is a page that waits for the disk: the time from the key to the word
"recorded". ROOT's ledger does not change: answers go into a temporary root that links to everything else. The
environment variable CHROMIUM names another browser.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.results import arguments, save

_LINKED = ("params.yaml", "data/headers", "data/reports", "data/label_errors.parquet", "data/error_causes.parquet")
_VERDICTS = 100
# ms from each key to the frame with the next image, ready for an answer; and to the word "recorded"
_CLOCK = """() => {
  window.next = []; window.recorded = [];
  let pressed = 0;
  const since = list => { const begun = pressed; requestAnimationFrame(() => list.push(performance.now() - begun)); };
  addEventListener('keydown', () => { pressed = performance.now(); }, true);
  const session = document.querySelector('#session'), said = document.querySelector('#message');
  new MutationObserver(() => { if (session.ariaBusy === 'false') since(window.next); })
    .observe(session, { attributeFilter: ['aria-busy'] });
  new MutationObserver(() => { if (said.textContent.startsWith('✓')) since(window.recorded); })
    .observe(said, { childList: true });
}"""


def main() -> None:
    """Measure and save."""
    parser = arguments(__doc__)
    parser.add_argument("root", type=Path, help="a root with a worklist")
    given = parser.parse_args()
    rows = [_measured(given.root.resolve(), originals, pause) for originals in (True, False) for pause in (0, 1000)]
    save(pd.DataFrame(rows), "review-page", given.out)


def _measured(root: Path, originals: bool, pause: int) -> dict[str, object]:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        _link(root, Path(folder), (*_LINKED, "data/private") if originals else _LINKED)
        command = [sys.executable, "-c", "from dagster_project.cli.main import main; main()", "--root", folder]
        command += ["review", "--port", "0", "--reviewer", "benchmark"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                browser = driver.chromium.launch(executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(server.stdout.readline().strip())
                page.wait_for_selector("#session[aria-busy=false]")
                page.evaluate(_CLOCK)
                for i in range(min(_VERDICTS, page.locator("#bar").evaluate("bar => bar.max"))):
                    page.keyboard.press("pox"[i % 3])
                    page.wait_for_selector("#session[aria-busy=false], #radiograph[hidden]", state="attached")
                    page.wait_for_timeout(pause)
                page.locator("#message", has_text="✓").wait_for()
                waits, recorded = page.evaluate("window.next"), page.evaluate("window.recorded")
            finally:
                server.terminate()
    return {
        "originals": originals,
        "pause_ms": pause,
        "verdicts": len(recorded),
        "next_image_ms": float(np.median(waits)),
        "next_image_p95_ms": float(np.quantile(waits, 0.95)),
        "recorded_ms": float(np.median(recorded)),
        "recorded_over_next": float(np.median(recorded) / np.median(waits)),
    }


def _link(root: Path, folder: Path, parts: tuple[str, ...]) -> None:
    for part in (*parts, _regions(root)):
        if (root / part).exists():
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).symlink_to(root / part)


def _regions(root: Path) -> str:
    from dagster_project.core.settings.settings import load_settings

    return load_settings(root / "params.yaml").regions


if __name__ == "__main__":
    main()
