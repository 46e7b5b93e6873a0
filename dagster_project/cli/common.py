"""Shared by all commands: the application, its errors, `--root`, tables."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dagster_project.core.errors import RayTruthError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dagster_project.core.paths import Paths
    from dagster_project.intake.root import Root

# The panels of the help, in the order of the work.
ROOTS, IMAGES, LEARNING, LABELS, DAILY = PANELS = (
    "A root and everything in it",
    "From files to a training set",
    "Learning and measuring",
    "Wrong labels",
    "New images",
)
errors = Console(stderr=True)
out = Console()


class Commands(typer.core.TyperGroup):
    """Lists commands by panel, prints errors for users (exit status 1), and ends on Ctrl-C with exit status 130."""

    def list_commands(self, context: typer.Context) -> list[str]:  # type: ignore[override]
        """Names of the commands, in the order of their panels."""
        panels = {name: getattr(command, "rich_help_panel", ROOTS) for name, command in self.commands.items()}
        return sorted(super().list_commands(context), key=lambda name: PANELS.index(panels[name]))

    def invoke(self, context: typer.Context) -> object:  # type: ignore[override]
        """Run the command that was asked for."""
        try:
            return super().invoke(context)
        except RayTruthError as error:
            errors.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        except KeyboardInterrupt:
            errors.print("Stopped. Finished work is kept; the same command continues from there.")
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
    help="Find the anatomical region of each radiograph, and the region labels that are wrong.",
)
RootOption = Annotated[Path | None, typer.Option("--root", help="Working root. Can also be given before the command.")]
CommonRootOption = Annotated[
    Path | None,
    typer.Option("--root", help="Working root.", envvar="RAYTRUTH_ROOT", show_default="the current folder"),
]
BatchArgument = Annotated[str | None, typer.Argument(help="Name of a batch. Without it: all batches.")]


@app.callback()
def _common(context: typer.Context, root: CommonRootOption = None) -> None:
    context.obj = root


def open_root(context: typer.Context, root: Path | None) -> Root:
    """The root that the command line names. Raises RayTruthError if it is no root, or params.yaml is unusable."""
    from dagster_project.intake.root import open_root as open_folder  # pydicom, which the taxonomy needs, is slow
    from dagster_project.learning.pretraining.methods_on import check_methods

    opened = open_folder(root or context.obj or Path())
    check_methods(opened.settings)
    return opened


def chosen_batches(paths: Paths, batch: str | None) -> list[str]:
    """The batch named, or all ingested ones. Raises RayTruthError if there is no such batch, or none at all."""
    from dagster_project.intake.ingestion.batch.store import ingested_batches

    known = ingested_batches(paths)
    if not known or (batch and batch not in known):
        raise RayTruthError(
            f"There is no batch {batch}" if batch else "There is no batch yet",
            where=paths.place(paths.headers_dir),
            do="ingest one: `raytruth ingest SOURCE --batch NAME`"
            + (f"; existing batches: {', '.join(known)}" if known else ""),
        )
    return [batch] if batch else known


def show_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(str, row))
    out.print(table)


def in_words(interval: object) -> str:
    """An estimate with its interval."""
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"  # type: ignore[attr-defined]
