"""The command that says what reading on is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out, show_table

if TYPE_CHECKING:
    from dagster_project.label_quality.review.acceptance_sampling import Estimate
    from dagster_project.learning.evaluation.metrics import Interval


@app.command(rich_help_panel=LABELS, epilog="Example: raytruth budget")
def budget(context: typer.Context, root: RootOption = None) -> None:
    """Say how many errors are expected a hundred images, what finding 90 % of them costs, and when to stop."""
    paths = open_root(context, root).paths
    from dagster_project.label_quality.review.review_budget import budget as work_out

    found = work_out(paths)
    rows = [("read so far", f"{found.read}, of which {found.found} wrong")]
    if check := found.check:
        rows += [("of the latest", f"{check.read}, {check.found} wrong, {_about(check.expected)} expected")]
    rows += [
        ("unread", str(found.unread)),
        ("wrong among these, expected", _about(found.to_come)),
        ("to be read for 90 % of all errors", str(found.images_to_90)),
        ("read since the last error", f"{found.in_a_row}; stop at {found.stop_after}" + " (now)" * found.enough),
    ]
    show_table("review budget, with 95 % intervals", ("", "images"), rows)
    blocks = [(f"{100 * i + 1} to {100 * (i + 1)}", f"{n:.1f}") for i, n in enumerate(found.per_hundred)]
    show_table("expected errors down the list", ("unread images", "wrong"), blocks)
    if found.samples:
        columns = ("seed", "decided", "cannot tell", "wrong", "share wrong", "wrong ones left", "among")
        title = "random samples of what the list left out, with 95 % intervals"
        show_table(title, columns, map(_sampled, found.samples))
    out.print(f"drawn: {paths.plot('review_budget', 'yield.png')}")


def _sampled(one: Estimate) -> tuple[str, ...]:
    return (
        str(one.seed),
        f"{one.decided} of {one.drawn}",
        str(one.undecided),
        str(one.wrong),
        f"{one.rate:.1%} ({one.rate_low:.1%} to {one.rate_high:.1%})",
        f"{one.left:.1f} ({one.left_low:.1f} to {one.left_high:.1f})",
        str(one.population - one.decided),
    )


def _about(interval: Interval) -> str:
    return f"{interval.value:.1f} ({interval.low:.1f} to {interval.high:.1f})"
