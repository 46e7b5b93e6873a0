"""The command for the accuracy as labelled and as reviewed."""

from __future__ import annotations

import typer

from dagster_project.cli.common import LABELS, RootOption, app, in_words, open_root, out, show_table


@app.command("reviewed-accuracy", rich_help_panel=LABELS, epilog="Example: raytruth reviewed-accuracy")
def reviewed_accuracy(context: typer.Context, root: RootOption = None) -> None:
    """Show the test accuracy as labelled and as reviewed, and how many test images were reviewed."""
    opened = open_root(context, root)
    from dagster_project.label_quality.review.reviewed_accuracy import measure_reviewed_accuracy

    results = measure_reviewed_accuracy(opened)
    rows = [
        (
            *(r.model, in_words(r.as_labelled), in_words(r.as_reviewed)),
            *(f"{r.disagreements_reviewed} of {r.disagreements}", r.label_wrong, r.out_of_domain, r.two_regions),
            f"{r.agreements_reviewed} of {r.agreements}",
        )
        for r in results
    ]
    columns = (
        "model",
        "as labelled",
        "as reviewed",
        "disagreements reviewed",
        "label wrong",
        "out of domain",
        "two regions",
    )
    show_table("accuracy on the test patients, 95 % intervals", (*columns, "agreements reviewed"), rows)
    for limit in dict.fromkeys(result.limit for result in results):
        out.print(limit)
