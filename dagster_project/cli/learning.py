"""Commands for learning and evaluation: encoders, probes, the ensemble and its gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.common import LEARNING, RootOption, app, in_words, open_root, out, show_table
from dagster_project.core.progress import log

if TYPE_CHECKING:
    from dagster_project.operations.retraining.gate import Gate


@app.command(rich_help_panel=LEARNING, epilog="Example: raytruth pretrain simclr byol")
def pretrain(
    context: typer.Context,
    methods: Annotated[
        list[str],
        typer.Argument(help="Methods of the profile in params.yaml. crossfit is for out-of-fold predictions."),
    ],
    root: RootOption = None,
) -> None:
    """Pretrain encoders, several at once on a CPU. A stopped run resumes."""
    opened = open_root(context, root)
    from dagster_project.learning.encoders.device import processes
    from dagster_project.learning.pretraining.pretrain import pretrain as stage

    if processes().rank > 0:  # only the first process prints; every process reports errors
        log.disabled = out.quiet = True
    summaries = stage(opened, *methods)
    if not opened.settings.learning.trains:
        return
    rows = [(s.name, s.images, s.labels, f"{s.curve[0]:.3f}", f"{s.curve[-1]:.3f}") for s in summaries]
    show_table("pretrained", ("encoder", "images", "labels seen", "first loss", "last loss"), rows)


@app.command("find-turned", rich_help_panel=LEARNING, epilog="Example: raytruth find-turned")
def find_turned(context: typer.Context, root: RootOption = None) -> None:
    """Find images that are turned by right angles or inverted, against the site's other images."""
    opened = open_root(context, root)
    from dagster_project.learning.orientation.find import find_turned as run_find_turned

    summary = run_find_turned(opened)
    show_table(
        f"{summary.images} images: turned or inverted",
        ("batch", "finding", "images"),
        summary.found.itertuples(index=False, name=None),
    )
    unknown = summary.metrics.get("upside_down_unknown", [])
    if unknown:
        out.print(f"upside down cannot be recognised in: {', '.join(unknown)}")


@app.command(rich_help_panel=LEARNING, epilog="Example: raytruth evaluate")
def evaluate(context: typer.Context, root: RootOption = None) -> None:
    """Evaluate every encoder with a linear probe and nearest neighbours, with 95 % intervals."""
    opened = open_root(context, root)
    from dagster_project.learning.evaluation.linear_evaluation import evaluate as run_evaluation

    results = run_evaluation(opened)
    fractions = sorted(results[0].fractions)
    rows = [(r.encoder, *(in_words(r.fractions[f]) for f in fractions), in_words(r.neighbours)) for r in results]
    show_table(
        "test accuracy, 95 % intervals",
        ("encoder", *(f"{f:.0%} of labels" for f in fractions), "nearest neighbours"),
        rows,
    )


@app.command(rich_help_panel=LEARNING, epilog="Example: raytruth ensemble")
def ensemble(context: typer.Context, root: RootOption = None) -> None:
    """Choose and calibrate an ensemble on validation, and evaluate it once on test."""
    opened = open_root(context, root)
    from dagster_project.learning.ensembling.ensemble import build_ensemble

    summary = build_ensemble(opened)
    show_table("members", ("member", "weight"), summary.weights.items())
    out.print(f"test accuracy {in_words(summary.accuracy)}")


@app.command("audit-shortcuts", rich_help_panel=LEARNING, epilog="Example: raytruth audit-shortcuts")
def audit_shortcuts(context: typer.Context, root: RootOption = None) -> None:
    """Audit shortcut learning: perturb non-anatomical cues, and probe the embeddings for scanner and site."""
    opened = open_root(context, root)
    from dagster_project.learning.shortcut_audit.audit import audit_shortcuts as audit

    found = audit(opened)
    effects = [
        (e.perturbation, in_words(e.changed), in_words(e.accuracy), in_words(e.difference)) for e in found.effects
    ]
    title = f"{found.images} test images, accuracy {in_words(found.accuracy)}"
    show_table(title, ("perturbation", "predictions changed", "accuracy", "difference"), effects)
    probes = [
        (t.attribute, t.values, *(t.note,) * 2)
        if t.note
        else (t.attribute, t.values, f"{t.balanced_accuracy:.3f}", f"{t.permuted:.3f} (at most {t.permuted_high:.3f})")
        for t in found.attribute_probes
    ]
    show_table(
        "attributes predicted from the embedding",
        ("attribute", "values", "balanced accuracy", "permutation baseline"),
        probes,
    )


@app.command(rich_help_panel=LEARNING, epilog="Example: raytruth promote")
def promote(context: typer.Context, root: RootOption = None) -> None:
    """Make the ensemble the champion if it does not lose against the present champion."""
    opened = open_root(context, root)
    from dagster_project.operations.retraining.gate import promote as pass_gate

    out.print(_decision(pass_gate(opened)))


@app.command(
    "export-onnx", rich_help_panel=LEARNING, epilog="Example: raytruth export-onnx /mnt/models/raytruth-2026-11"
)
def export_onnx(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A new folder, or an earlier export to replace.")],
    root: RootOption = None,
) -> None:
    """Write the champion as ONNX, checked against torch, with its model card."""
    opened = open_root(context, root)
    from dagster_project.learning.ensembling.export import export_champion

    found = export_champion(opened, folder)
    out.print(
        f"{folder}: on {found.images} images ONNX and torch differ by at most {found.probabilities:.1e} in probability"
    )


def _decision(gate: Gate) -> str:
    """The gate's decision in a sentence."""
    if not gate.passed:
        reasons = "; ".join(gate.against)
        return f"champion kept ({gate.champion[:12]}); the challenger is not promoted: {reasons}"
    kept = "is still the champion" if gate.challenger == gate.champion else "is the champion now"
    return f"{gate.challenger[:12]} {kept}: accuracy {gate.accuracy:.3f} on the locked test split"


@app.command("add-encoder", rich_help_panel=LEARNING, epilog="Example: raytruth add-encoder /mnt/encoders/rad-dino")
def add_encoder(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder with encoder.onnx and card.json. Without it: try all encoders of params.yaml."),
    ] = None,
    root: RootOption = None,
) -> None:
    """Take in an encoder that was trained elsewhere, after a trial on images of the root."""
    opened = open_root(context, root)
    from dagster_project.learning.encoders.plugged_in import add_encoder as add
    from dagster_project.learning.encoders.plugged_in import check_plugged_in

    tried = [add(opened, folder)] if folder else check_plugged_in(opened)
    rows = [(t.encoder, f"{1000 * t.seconds_per_image:.0f} ms", *t.card.values()) for t in tried]
    columns = ("encoder", "per image", *(tried[0].card if tried else ()))
    show_table("plugged-in encoders", columns, rows)
