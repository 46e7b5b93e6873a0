"""The command that says everything known about one flag."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out

_MOST = 3  # probabilities a judge, images a row
_SAID = ("given_region", "kind", "rank", "of", "score", "suggested_region", "error_probability")


@app.command(rich_help_panel=LABELS, epilog="Example: raytruth explain 416dd7031b56826e4adc6ecdc3fa2757")
def explain(
    context: typer.Context,
    image_id: Annotated[str, typer.Argument(help="As in data/label_errors.parquet and on the review page.")],
    as_json: Annotated[bool, typer.Option("--json", help="All of it, for programs.")] = False,
    root: RootOption = None,
) -> None:
    """Say everything known about an image's label and why it is flagged; no identity is shown."""
    opened = open_root(context, root)
    from dagster_project.label_quality.review.explain import explain as look_up

    known = look_up(opened, image_id)
    if as_json:
        typer.echo(json.dumps(known, indent=1, ensure_ascii=False))
        return
    page = Table(title=f"image {image_id}", title_justify="left", show_header=False)
    page.add_column(style="bold", no_wrap=True)
    page.add_column()
    for name, value in _lines(known):
        page.add_row(name, escape(value))
    out.print(page)


def _lines(known: dict[str, Any]) -> list[tuple[str, str]]:
    label, flag, header = known["label"], known["flag"], known["header"]
    now = f"; now {label['given'] or 'none'}, said by a reviewer" if label["reviewed"] else ""
    lines = [
        ("given label", f"{label['in_the_header'] or 'none'}: {label['provenance']}{now}"),
        ("flag", f"{flag['kind']}, rank {flag['rank']} of {flag['of']}; score {flag['score']} (0 = surely wrong)"),
        ("proposed", flag["suggested_region"] or "none of the regions"),
        ("probability of error", f"{flag['error_probability']:.1%}"),
    ]
    lines += [
        (name.replace("_", " "), "not known" if value is None else str(value))
        for name, value in flag.items()
        if name not in _SAID
    ]
    lines += [(f"judge {judge}", _top(said, label["given"])) for judge, said in known["judges"].items()]
    lines += [(title, _shown(images)) for title, images in known["beside"].items()]
    device = f"{header['manufacturer']} {header['model']} {header['station']}".strip()
    lines += [("taken with", f"{header['modality']}, {device}; {header['view_position']} {header['laterality']}")]
    oddities = [f"{reason} ({meaning})" for reason, meaning in header["oddities"].items()]
    lines += [("file", f"{header['verdict']}: {'; '.join(oddities)}" if oddities else header["verdict"])]
    lines += [("cause", cause) for cause in known["causes"]] or [("cause", "none found")]
    lines += [
        ("verdict", f"{v['at']} {v['reviewer']}: {v['verdict']} {v['region']}" + " (taken back)" * (not v["stands"]))
        for v in known["verdicts"]
    ] or [("verdict", "none yet")]
    return [*lines, *((f"version of {name}", version or "none") for name, version in known["versions"].items())]


def _top(said: dict[str, float], given: str) -> str:
    first = dict(list(said.items())[:_MOST])
    first |= {given: said[given]} if given in said else {}
    return ", ".join(f"{region} {p:.1%}" for region, p in first.items())


def _shown(images: list[dict[str, str]]) -> str:
    shown = [f"{p['image_id']} {p['region'] or 'no label'}" for p in images[:_MOST]]
    more = [f"and {len(images) - _MOST} more (--json)"] if len(images) > _MOST else []
    return "\n".join([*shown, *more]) or "none"
