"""`raytruth …`: every stage as a command, with the same plain functions that Dagster calls."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dagster_project.errors import RayTruthError
from dagster_project.layout import Layout
from dagster_project.params import Params, load_params
from dagster_project.progress import log, show_logs

if TYPE_CHECKING:
    from collections.abc import Iterable

errors = Console(stderr=True)
out = Console()


class Commands(typer.core.TyperGroup):
    """Says errors that users can act on in words, with exit status 1, and answers Ctrl-C with 130."""

    def invoke(self, context: typer.Context) -> object:  # type: ignore[override]
        """Run the command that was asked for."""
        try:
            return super().invoke(context)
        except RayTruthError as error:
            errors.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        except KeyboardInterrupt:
            errors.print("Stopped. What was finished is kept; the same command goes on from there.")
            raise typer.Exit(130) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            errors.print(
                "[bold red]Error:[/] The disk is full\n  what to do: free space, then run the same command again"
            )
        raise typer.Exit(1)


# Stages are imported in the commands that use them: `raytruth --help` must not wait for torch.
app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, which hold identities
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Tells a hospital which region each radiograph shows and which of its own labels are wrong.",
)
RootOption = Annotated[Path | None, typer.Option("--root", help="Working root; may stand before the command too.")]
CommonRootOption = Annotated[
    Path | None,
    typer.Option("--root", help="Working root.", envvar="RAYTRUTH_ROOT", show_default="the current folder"),
]
BatchArgument = Annotated[str | None, typer.Argument(help="One batch; without it, all.")]


@app.callback()
def _common(context: typer.Context, root: CommonRootOption = None) -> None:
    context.obj = root


def _open(context: typer.Context, root: Path | None) -> tuple[Layout, Params]:
    layout = Layout((root or context.obj or Path()).resolve())
    return layout, load_params(layout.params)


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(str, row))
    out.print(table)


@app.command(epilog="Example: raytruth init /data/raytruth --regions my_regions.yaml")
def init(
    directory: Annotated[Path, typer.Argument(help="Folder of the new root.")],
    regions: Annotated[Path | None, typer.Option(help="Region classes; without it, RayTruth's fourteen.")] = None,
) -> None:
    """Make a working root: settings, region classes, folders, DVC."""
    from dagster_project.versioning.init import init as make_root

    layout = make_root(directory, regions)
    out.print(f"A working root in {layout.root}. Next: raytruth --root {layout.root} run EXPORT")


@app.command(epilog="Example: raytruth phantom /tmp/hospital --patients 120 --seed 1")
def phantom(
    directory: Annotated[Path, typer.Argument(help="An empty or new folder.")],
    patients: Annotated[int, typer.Option(help="How many patients.")] = 120,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    site: Annotated[
        str, typer.Option(help="north, or south: another hospital, whose pictures have drifted.")
    ] = "north",
) -> None:
    """Write a synthetic hospital's export: DICOM files and truth.csv."""
    from dagster_project.phantom.hospital import write_hospital

    try:
        summary = write_hospital(directory, patients=patients, seed=seed, site=site)
    except ValueError as error:
        raise RayTruthError(str(error), where="raytruth phantom", do="see raytruth phantom --help") from None
    out.print(f"{summary.files} files of {summary.patients} patients under {directory / 'dicom'}")


@app.command(epilog="Example: raytruth ingest /mnt/export/2026-11 --batch 2026-11")
def ingest(
    context: typer.Context,
    source: Annotated[Path | None, typer.Argument(help="A folder of any shape; without it, all registered.")] = None,
    batch: Annotated[str | None, typer.Option(help="Name of the batch; without it, the next free one.")] = None,
    root: RootOption = None,
) -> None:
    """Read DICOM files into pseudonymised tables and packed pictures."""
    layout, params = _open(context, root)
    if source is None:
        from dagster_project.chain import ingest_registered

        summaries = ingest_registered(layout, params)
    else:
        from dagster_project.ingestion.batch import ingest as ingest_batch
        from dagster_project.ingestion.register import batch_name_for

        summaries = [ingest_batch(layout, params, source, batch or batch_name_for(layout, source))]
    for summary in summaries:
        title = f"batch {summary.batch}: {summary.pictures} pictures"
        verdicts = [("verdict", *item) for item in summary.verdicts.items()]
        _table(title, ("", "what", "files"), [*verdicts, *(("reason", *item) for item in summary.reasons.items())])


@app.command(epilog="Example: raytruth validate 2026-11")
def validate(context: typer.Context, batch: BatchArgument = None, root: RootOption = None) -> None:
    """Check header tables with Great Expectations and write Data Docs."""
    layout, params = _open(context, root)
    from dagster_project.chain import chosen_batches
    from dagster_project.validation.validate import validate as validate_batch

    for name in chosen_batches(layout, batch):
        result = validate_batch(layout, params, name)
        failed = [c for c in result.checks if not c.passed]
        title = f"batch {name}: {len(result.checks) - len(failed)} of {len(result.checks)} checks passed"
        _table(title, ("failed check", "blocking", "rows", "what it says"), _failed_rows(failed))
    out.print(f"Data Docs: {layout.data_docs}")


def _failed_rows(failed: Iterable[object]) -> list[tuple[object, ...]]:
    return [(c.name, c.blocking, c.unexpected, c.says) for c in failed]  # type: ignore[attr-defined]


@app.command("correct-labels", epilog="Example: raytruth correct-labels")
def correct_labels(context: typer.Context, root: RootOption = None) -> None:
    """Make the corrected labels from the ledger of verdicts."""
    layout, _ = _open(context, root)
    from dagster_project.ledger import update_corrected_labels

    out.print(f"{len(update_corrected_labels(layout))} pictures have a verdict")


@app.command(epilog="Example: raytruth split")
def split(context: typer.Context, root: RootOption = None) -> None:
    """Build the training set: labels, near-duplicates, split by patient."""
    layout, params = _open(context, root)
    from dagster_project.training_set.build import build_training_set

    summary = build_training_set(layout, params)
    rows = [(region, *counts) for region, counts in zip(summary.counts.index, summary.counts.to_numpy(), strict=True)]
    title = (
        f"{summary.pictures} pictures of {summary.patients} patients, {summary.near_duplicates} near-duplicate pairs"
    )
    _table(title, ("region", *summary.counts.columns), rows)


@app.command(epilog="Example: raytruth pretrain simclr")
def pretrain(
    context: typer.Context,
    method: Annotated[str, typer.Argument(help="simclr, byol, supcon, or crossfit (for judging labels).")],
    root: RootOption = None,
) -> None:
    """Pretrain an encoder; a stopped run resumes."""
    layout, params = _open(context, root)
    from dagster_project.pretraining import pretrain as stage
    from dagster_project.pretraining.device import processes

    if processes().rank > 0:  # one of them speaks for all; errors are everybody's
        log.disabled = out.quiet = True
    crossfit = method == "crossfit"
    summaries = stage.pretrain_crossfit(layout, params) if crossfit else [stage.pretrain(layout, params, method)]
    rows = [(s.name, s.pictures, s.labels, f"{s.curve[0]:.3f}", f"{s.curve[-1]:.3f}") for s in summaries]
    _table("pretrained", ("encoder", "pictures", "labels seen", "first loss", "last loss"), rows)


@app.command(epilog="Example: raytruth evaluate")
def evaluate(context: typer.Context, root: RootOption = None) -> None:
    """Linear evaluation of every encoder, with intervals."""
    layout, params = _open(context, root)
    from dagster_project.evaluation.linear_evaluation import evaluate as run_evaluation

    results = run_evaluation(layout, params)
    fractions = sorted(results[0].fractions)
    rows = [(r.encoder, *(_interval(r.fractions[f]) for f in fractions), _interval(r.neighbours)) for r in results]
    _table("accuracy on test", ("encoder", *(f"{f:.0%} of labels" for f in fractions), "nearest neighbours"), rows)


@app.command(epilog="Example: raytruth ensemble")
def ensemble(context: typer.Context, root: RootOption = None) -> None:
    """Choose and calibrate an ensemble on validation, score it once on test."""
    layout, params = _open(context, root)
    from dagster_project.ensembling.ensemble import build_ensemble

    summary = build_ensemble(layout, params)
    _table("members", ("encoder", "share"), summary.shares.items())
    out.print(f"accuracy on test {_interval(summary.accuracy)}")


@app.command("audit-shortcuts", epilog="Example: raytruth audit-shortcuts")
def audit_shortcuts(context: typer.Context, root: RootOption = None) -> None:
    """Hide and add what is no anatomy, and probe for scanner and room: what does the ensemble lean on?"""
    layout, params = _open(context, root)
    from dagster_project.auditing.audit import audit_shortcuts as audit

    found = audit(layout, params)
    effects = [
        (e.treatment, _interval(e.changed), _interval(e.accuracy), _interval(e.difference)) for e in found.effects
    ]
    title = f"{found.pictures} test pictures, accuracy {_interval(found.accuracy)}"
    _table(title, ("treatment", "predictions changed", "accuracy", "difference"), effects)
    told = [
        (t.attribute, t.values, *(t.note,) * 2)
        if t.note
        else (t.attribute, t.values, f"{t.balanced_accuracy:.3f}", f"{t.permuted:.3f} (at most {t.permuted_high:.3f})")
        for t in found.traces
    ]
    _table("read from the embedding", ("attribute", "values", "balanced accuracy", "exchanged within regions"), told)


@app.command(epilog="Example: raytruth promote")
def promote(context: typer.Context, root: RootOption = None) -> None:
    """Make the ensemble the champion if it does not lose against the present one."""
    layout, params = _open(context, root)
    from dagster_project.chain import describe_gate
    from dagster_project.ensembling.champion import promote as pass_gate

    out.print(describe_gate(pass_gate(layout, params)))


@app.command("find-errors", epilog="Example: raytruth find-errors")
def find_errors(context: typer.Context, root: RootOption = None) -> None:
    """Rank every picture by how likely its label is wrong."""
    layout, params = _open(context, root)
    from dagster_project.label_errors.find import find_label_errors

    summary = find_label_errors(layout, params)
    title = f"estimated share of wrong labels {summary.estimated_noise:.1%}"
    _table(title, ("kind", "pictures"), summary.kinds.items())
    out.print(f"ranked: {layout.label_errors}")


@app.command(epilog="Example: raytruth review, then raytruth review --verdicts verdicts.csv --reviewer 'Dr A'")
def review(
    context: typer.Context,
    verdicts: Annotated[Path | None, typer.Option(help="Answers saved by the worklist page (CSV).")] = None,
    reviewer: Annotated[str, typer.Option(help="Who answered; needed with --verdicts.")] = "",
    root: RootOption = None,
) -> None:
    """Write the worklist page, or take the answers given on it into the ledger."""
    layout, params = _open(context, root)
    if verdicts:
        from dagster_project.review.verdicts import import_verdicts

        out.print(f"{import_verdicts(layout, params, verdicts, reviewer)} new verdicts; next: raytruth split")
        return
    from dagster_project.review.worklist import build_worklist

    summary = build_worklist(layout, params)
    _table(f"{summary.cards} cards: {summary.page}", ("kind", "cards"), summary.kinds.items())


@app.command("export-corrections", epilog="Example: raytruth export-corrections corrections.csv")
def export_corrections(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV to write; it holds original UIDs, so mind where.")],
    root: RootOption = None,
) -> None:
    """Write corrected labels with original UIDs, for the site's own use."""
    layout, _ = _open(context, root)
    from dagster_project.review.verdicts import export_corrections as export

    out.print(f"{export(layout, file)} corrections in {file}")


@app.command(epilog="Example: raytruth predict 2026-12")
def predict(context: typer.Context, batch: BatchArgument = None, root: RootOption = None) -> None:
    """Predict ingested batches with the champion."""
    layout, params = _open(context, root)
    from dagster_project.chain import chosen_batches
    from dagster_project.monitoring.predict import predict_batch

    for name in chosen_batches(layout, batch):
        table = predict_batch(layout, params, name)
        _table(f"batch {name}: predicted", ("region", "pictures"), table["region"].value_counts().items())


@app.command(epilog="Example: raytruth monitor 2026-12")
def monitor(context: typer.Context, batch: BatchArgument = None, root: RootOption = None) -> None:
    """Measure drift of batches against what the champion was tested on."""
    layout, params = _open(context, root)
    from dagster_project.chain import chosen_batches
    from dagster_project.monitoring.drift import measure_drift

    for name in chosen_batches(layout, batch):
        drift = measure_drift(layout, params, name)
        rows = [
            (t.cause, t.column, f"{t.value:.3f}", f"{max(t.threshold, t.floor):.3f}", t.drifted) for t in drift.tests
        ]
        verdict = drift.note or ("drift: " + ", ".join(drift.causes) if drift.causes else "no drift")
        _table(f"batch {name}: {verdict}", ("cause", "column", "distance", "bound", "drifted"), rows)


@app.command(epilog="Example: raytruth export /mnt/models/raytruth-2026-11")
def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A new folder, or an earlier export to replace.")],
    root: RootOption = None,
) -> None:
    """Write the champion as ONNX, checked against torch, with its model card."""
    layout, params = _open(context, root)
    from dagster_project.ensembling.export import export_champion

    found = export_champion(layout, params, folder)
    out.print(
        f"{folder}: over {found.pictures} pictures ONNX and torch differ by {found.probabilities:.1e} in a probability"
    )


@app.command(epilog="Example: raytruth score /mnt/export/new --out predictions.parquet")
def score(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="A folder of DICOM files, of any size.")],
    predictions: Annotated[Path, typer.Option("--out", help="Table to write; it holds original UIDs, so mind where.")],
    model: Annotated[
        Path | None, typer.Option(help="An exported model.onnx; without it, the champion in torch.")
    ] = None,
    root: RootOption = None,
) -> None:
    """Predict any folder of DICOM files with the champion, for the site's own use."""
    layout, params = _open(context, root)
    from dagster_project.monitoring.score import score as score_folder

    summary = score_folder(layout, params, source, predictions, model)
    _table(f"{summary.pictures} pictures: {predictions}", ("region", "pictures"), summary.regions.items())
    if summary.left_out:
        _table("left out", ("reason", "files"), summary.left_out.items())


@app.command(epilog="Example: raytruth --root /data/raytruth run /mnt/export/2026-11")
def run(
    context: typer.Context,
    sources: Annotated[list[Path], typer.Argument(help="Folders of DICOM files, one batch each.")],
    root: RootOption = None,
) -> None:
    """The whole chain: from DICOM folders to a ranked list of wrong labels."""
    layout, params = _open(context, root)
    from dagster_project.chain import run as run_chain

    seconds = run_chain(layout, params, sources)
    _table("done", ("stage", "seconds"), [(name, f"{value:.1f}") for name, value in seconds.items()])
    out.print(f"ranked labels: {layout.label_errors}\nworklist: {layout.worklist / 'index.html'}")


@app.command(epilog="Example: raytruth --root /data/raytruth ui")
def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="On loopback.")] = 3000,
    root: RootOption = None,
) -> None:
    """Open Dagster's UI on a root (loopback only), with the daemon that runs sensors and schedules."""
    layout, _ = _open(context, root)
    from dagster_project.versioning.init import dagster_environment, template

    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port), "-w"]
    quiet = {"PYTHONWARNINGS": "ignore:Function `dev_command`"}  # its successor wants a project of its own kind
    environment = dagster_environment(layout) | quiet
    os.chdir(layout.dagster_home)  # elsewhere Dagster warns of any dagster.yaml that it does not use
    os.execve(sys.executable, [*command, str(template("workspace.yaml"))], environment)


@app.command(epilog="Example: raytruth demo demo")
def demo(
    directory: Annotated[Path, typer.Argument(help="A folder for the demonstration.")] = Path("demo"),
    patients: Annotated[int, typer.Option(help="Patients of the synthetic hospital.")] = 120,
) -> None:
    """Run the whole chain on a synthetic hospital, through Dagster."""
    from dagster_project.demo import run_demo

    run_demo(directory, patients)


def _interval(interval: object) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"  # type: ignore[attr-defined]


def main() -> None:
    """Run the command line."""
    show_logs()
    app()
