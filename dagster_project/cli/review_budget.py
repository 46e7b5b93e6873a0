"""The command for the review budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out, show_table

if TYPE_CHECKING:
    from dagster_project.label_quality.review.acceptance_sampling import Estimate
    from dagster_project.learning.evaluation.metrics import Interval


@app.command("review-budget", rich_help_panel=LABELS, epilog="Example: raytruth review-budget")
def review_budget(context: typer.Context, root: RootOption = None) -> None:
    """Show the errors found and expected, how many images to review for 90 % of them, and when to stop."""
    paths = open_root(context, root).paths
    from dagster_project.label_quality.review.review_budget import estimate_review_budget

    budget = estimate_review_budget(paths)
    rows = [("reviewed", f"{budget.reviewed}, {budget.found} of them wrong")]
    if check := budget.check:
        wrong = f"{check.found} of them wrong, {_about(check.expected)} expected"
        rows += [("reviewed since the list was made", f"{check.reviewed}, {wrong}")]
    run = f"{budget.run_without_error}; stop at {budget.stop_after}" + " (now)" * budget.enough
    rows += [
        ("not reviewed", str(budget.unreviewed)),
        ("expected wrong labels among these", _about(budget.expected)),
        ("to review for 90 % of all errors", str(budget.images_to_90)),
        ("reviewed since the last error", run),
    ]
    show_table("review budget, with 95 % intervals", ("", "images"), rows)
    blocks = [(f"{100 * i + 1} to {100 * (i + 1)}", f"{n:.1f}") for i, n in enumerate(budget.per_hundred)]
    show_table("expected errors down the list", ("unreviewed images", "wrong"), blocks)
    if budget.samples:
        columns = ("seed", "decided", "cannot tell", "wrong", "share wrong", "wrong labels left", "among")
        title = "random samples outside the worklist, with 95 % intervals"
        show_table(title, columns, map(_sampled, budget.samples))
    out.print(f"figure: {paths.plot('review_budget', 'yield.png')}")


def _sampled(one: Estimate) -> tuple[str, ...]:
    return (
        str(one.seed),
        f"{one.decided} of {one.drawn}",
        str(one.undetermined),
        str(one.wrong),
        f"{one.rate:.1%} ({one.rate_low:.1%} to {one.rate_high:.1%})",
        f"{one.left:.1f} ({one.left_low:.1f} to {one.left_high:.1f})",
        str(one.population - one.decided),
    )


def _about(interval: Interval) -> str:
    return f"{interval.value:.1f} ({interval.low:.1f} to {interval.high:.1f})"
