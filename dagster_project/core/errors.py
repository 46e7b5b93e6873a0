"""The error that users see: what is wrong, where, and what to do."""

from __future__ import annotations


class RayTruthError(Exception):
    """A problem that the user can act on.

    No part may name a patient, a source path or an original UID: the text goes to Dagster's event log.
    """

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        self.what, self.where, self.do = what, where, do
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.do:
            lines.append(f"  what to do: {self.do}")
        return "\n".join(lines)
