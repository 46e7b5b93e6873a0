"""The command that shows everything known about one image and its flag."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out

_SHOWN = 3  # probabilities of a model, images in a row
_NAMED = ("given_region", "kind", "rank", "of", "proposed_region", "error_probability")  # with lines of their own


@app.command(rich_help_panel=LABELS, epilog="Example: raytruth explain 416dd7031b56826e4adc6ecdc3fa2757")
def explain(
    context: typer.Context,
    image_id: Annotated[str, typer.Argument(help="An image_id of data/label_errors.parquet.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    root: RootOption = None,
) -> None:
    """Show everything known about the label of an image and its flag, without identities."""
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
    now = f"; now {label['given_region'] or 'none'}, by a reviewer" if label["reviewed"] else ""
    lines = [
        ("given label", f"{label['header_region'] or 'none'}: {label['provenance']}{now}"),
        ("flag", f"{flag['kind']}, rank {flag['rank']} of {flag['of']}"),
        ("proposed label", flag["proposed_region"] or "none of the regions"),
        ("error probability", f"{flag['error_probability']:.1%}"),
    ]
    lines += [
        (name.replace("_", " "), "not known" if value is None else str(value))
        for name, value in flag.items()
        if name not in _NAMED
    ]
    lines += [
        (f"out-of-fold {model}", _top(predicted, label["given_region"]))
        for model, predicted in known["oof_predictions"].items()
    ]
    lines += [(title, _shown(images)) for title, images in known["comparison"].items()]
    device = f"{header['manufacturer']} {header['model']} {header['station']}".strip()
    lines += [("acquired with", f"{header['modality']}, {device}; {header['view_position']} {header['laterality']}")]
    warnings = [f"{reason} ({meaning})" for reason, meaning in header["warnings"].items()]
    lines += [("file", f"{header['verdict']}: {'; '.join(warnings)}" if warnings else header["verdict"])]
    lines += [("cause", cause) for cause in known["causes"]] or [("cause", "none found")]
    lines += [
        ("verdict", f"{v['at']} {v['reviewer']}: {v['verdict']} {v['region']}" + " (retracted)" * (not v["current"]))
        for v in known["verdicts"]
    ] or [("verdict", "none yet")]
    return [*lines, *((f"version of {name}", version or "none") for name, version in known["versions"].items())]


def _top(predicted: dict[str, float], given: str) -> str:
    first = dict(list(predicted.items())[:_SHOWN])
    first |= {given: predicted[given]} if given in predicted else {}
    return ", ".join(f"{region} {p:.1%}" for region, p in first.items())


def _shown(images: list[dict[str, str]]) -> str:
    shown = [f"{p['image_id']} {p['region'] or 'no label'}" for p in images[:_SHOWN]]
    more = [f"and {len(images) - _SHOWN} more (--json)"] if len(images) > _SHOWN else []
    return "\n".join([*shown, *more]) or "none"
