"""Commands for the ledger of verdicts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out


class LedgerAction(StrEnum):
    """What `raytruth ledger` can do."""

    verify = "verify"
    migrate = "migrate"


@app.command("ledger", rich_help_panel=LABELS, epilog="Example: raytruth ledger verify")
def ledger(
    context: typer.Context,
    action: Annotated[LedgerAction, typer.Argument(help="verify the chain, or chain a ledger of older days.")],
    holds: Annotated[str, typer.Option(help="verify: an entry's hash, noted earlier, that must be in it.")] = "",
    root: RootOption = None,
) -> None:
    """Check that no reviewer's verdict was changed, removed or put in; status 1 says where the chain breaks."""
    paths = open_root(context, root).paths
    from dagster_project.core.ledger import migrate_ledger, verified_head

    if action is LedgerAction.migrate:
        out.print(f"{migrate_ledger(paths)} entries chained")
    entries, head = verified_head(paths, holds)
    out.print(f"The chain of {entries} entries is whole. Its last hash, to note elsewhere:", soft_wrap=True)
    out.print(head or "(none yet)")
