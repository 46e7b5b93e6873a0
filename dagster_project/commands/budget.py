"""The command that says what reading on is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from dagster_project.commands.common import LABELS, RootOption, app, open_root, out, show_table

if TYPE_CHECKING:
    from dagster_project.evaluation.metrics import Interval


@app.command(rich_help_panel=LABELS, epilog="Example: raytruth budget")
def budget(context: typer.Context, root: RootOption = None) -> None:
    """Say how many errors are expected a hundred pictures, what finding 90 % of them costs, and when to stop."""
    layout, _ = open_root(context, root)
    from dagster_project.review.yield_curve import budget as work_out

    found = work_out(layout)
    rows = [("read so far", f"{found.read}, of which {found.found} wrong")]
    if check := found.check:
        rows += [("of the latest", f"{check.read}, {check.found} wrong, {_about(check.expected)} expected")]
    rows += [
        ("unread", str(found.unread)),
        ("wrong among these, expected", _about(found.to_come)),
        ("to be read for 90 % of all errors", str(found.pictures_to_90)),
        ("read since the last error", f"{found.in_a_row}; stop at {found.stop_after}" + " (now)" * found.enough),
    ]
    show_table("review budget, with 95 % intervals", ("", "pictures"), rows)
    blocks = [(f"{100 * i + 1} to {100 * (i + 1)}", f"{n:.1f}") for i, n in enumerate(found.per_hundred)]
    show_table("expected errors down the list", ("unread pictures", "wrong"), blocks)
    out.print(f"drawn: {layout.plot('review_budget', 'yield.png')}")


def _about(interval: Interval) -> str:
    return f"{interval.value:.1f} ({interval.low:.1f} to {interval.high:.1f})"
