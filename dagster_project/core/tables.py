"""What a table holds: the declaration from which its file, Dagster's column schema and docs/outputs.md follow.

No slow library is imported here: the workers that read files import these declarations.
"""

from __future__ import annotations

from dataclasses import dataclass

PSEUDONYM, SHARE = "32 hexadecimal digits", "0..1"


@dataclass(frozen=True)
class Column:
    """One column. `type` is the pandas dtype.

    `limits` are the least and the greatest value, `values` all values of a text, and `unit` is what a number counts.
    """

    name: str
    type: str
    description: str
    unit: str = ""
    limits: tuple[float, float] | None = None
    values: tuple[str, ...] = ()

    @property
    def range(self) -> str:
        """The limits or values, as docs/outputs.md shows them."""
        if self.limits:
            return f"{self.limits[0]:g} to {self.limits[1]:g}"
        return ", ".join(value or "(empty)" for value in self.values)


@dataclass(frozen=True)
class Table:
    """One table, or one for each batch or model.

    `path` is relative to the root; `<batch>` stands for a batch's name. `asset` is the Dagster asset that writes the
    table, or ''. `written_by` and `read_by` are commands and pages that the table of stages does not know.
    `for_each_region` describes one more float32 column for each region class, '' if there are none.
    """

    path: str
    description: str
    columns: tuple[Column, ...]
    asset: str = ""
    written_by: tuple[str, ...] = ()
    read_by: tuple[str, ...] = ()
    for_each_region: str = ""

    @property
    def types(self) -> dict[str, str]:
        """Column -> pandas dtype, without the columns of regions."""
        return {column.name: column.type for column in self.columns}


def strings(**descriptions: str) -> tuple[Column, ...]:
    """Text columns: name -> description."""
    return tuple(Column(name, "string", description) for name, description in descriptions.items())


def described(column: Column) -> str:
    """The meaning of a column with its unit and range, in one line."""
    details = "; ".join(part for part in (column.unit, column.range) if part)
    return f"{column.description} ({details})" if details else column.description
