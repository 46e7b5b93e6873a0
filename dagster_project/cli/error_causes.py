"""The command that says where wrong labels come from."""

from __future__ import annotations

import typer
from rich.markup import escape

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out, show_table


@app.command(rich_help_panel=LABELS, epilog="Example: raytruth causes")
def causes(context: typer.Context, root: RootOption = None) -> None:
    """Find stations, devices, batches, attributes, entries and regions with more wrong labels than elsewhere."""
    paths = open_root(context, root).paths
    from dagster_project.label_quality.error_causes.find import find_causes

    summary = find_causes(paths)
    rows = [
        (escape(row["cause"]), escape(row["also"]), f"{row['q_value']:.2g}", f"{row['found_wrong']} of {row['read']}")
        for row in summary.causes.to_dict("records")
    ]
    title = f"{len(rows)} causes among {summary.tested} groups tested; false discovery rate 5 %"
    show_table(title, ("cause", "the same images", "q", "wrong of those read"), rows)
    out.print(f"with the images behind each: {paths.causes}")
    if summary.private:
        out.print(f"{summary.private} more, by protocol and month, which stay private: {paths.private_causes}")
