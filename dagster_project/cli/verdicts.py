"""Commands for the ledger of verdicts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out


class LedgerAction(StrEnum):
    """The action of `raytruth ledger`."""

    verify = "verify"


@app.command("ledger", rich_help_panel=LABELS, epilog="Example: raytruth ledger verify")
def ledger(
    context: typer.Context,
    action: Annotated[LedgerAction, typer.Argument(help="verify: check the chain.")],
    contains: Annotated[str, typer.Option(help="verify: hash of an entry that the ledger must contain.")] = "",
    root: RootOption = None,
) -> None:
    """Check that no verdict was changed, removed or inserted. Exit status 1: the chain is broken."""
    paths = open_root(context, root).paths
    from dagster_project.core.ledger import verified_head

    entries, head = verified_head(paths, contains)
    out.print(f"The chain of {entries} entries is intact. Note the hash of the last entry elsewhere:", soft_wrap=True)
    out.print(head or "(no entry yet)")
