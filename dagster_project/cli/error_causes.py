"""The command for the causes of wrong labels."""

from __future__ import annotations

import typer
from rich.markup import escape

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out, show_table


@app.command("find-causes", rich_help_panel=LABELS, epilog="Example: raytruth find-causes")
def find_causes(context: typer.Context, root: RootOption = None) -> None:
    """Find stations, devices, batches, attributes, entries and regions with significantly more wrong labels."""
    paths = open_root(context, root).paths
    from dagster_project.label_quality.error_causes.find import find_causes as find

    summary = find(paths)
    rows = [
        (
            *(escape(row["cause"]), escape(row["equivalent_groups"]), f"{row['q_value']:.2g}"),
            f"{row['found_wrong']} of {row['reviewed']}",
        )
        for row in summary.causes.to_dict("records")
    ]
    title = f"{len(rows)} causes among {summary.tested} tested groups; false discovery rate 5 %"
    show_table(title, ("cause", "equivalent groups", "q", "wrong of reviewed"), rows)
    out.print(f"with the images of each cause: {paths.error_causes}")
    if summary.private:
        out.print(f"{summary.private} more by protocol and month, which stay private: {paths.private_error_causes}")
