"""The audit as charts, each with its numbers as CSV for DVC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import write_text
from dagster_project.core.plotting import drawing
from dagster_project.learning.shortcut_audit.attribute_probes import AttributeProbe
from dagster_project.learning.shortcut_audit.effects import Effect


def effects_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """One row per perturbation: changed, accuracy and difference, each with the ends of its interval."""
    rows = []
    for effect in effects:
        row: dict[str, object] = {"perturbation": effect.perturbation}
        for name, i in (("changed", effect.changed), ("accuracy", effect.accuracy), ("difference", effect.difference)):
            row |= {name: i.value, f"{name}, low": i.low, f"{name}, high": i.high}
        rows.append(row)
    return pd.DataFrame(rows)


def draw_effects(stem: Path, effects: Sequence[Effect]) -> None:
    """Write `<stem>.png` and `<stem>.csv`: changed predictions and difference in accuracy by perturbation."""
    table = effects_table(effects)
    write_text(stem.with_suffix(".csv"), table.to_csv(index=False, float_format="%.4f"))
    at = np.arange(len(table))
    with drawing(stem.with_suffix(".png"), width=8, height=1 + 0.45 * len(table)) as axes:
        for shift, name, colour in ((-0.2, "changed", "tab:grey"), (0.2, "difference", "tab:red")):
            value, low, high = (table[name + end] for end in ("", ", low", ", high"))
            label = {"changed": "predictions changed", "difference": "difference in accuracy"}[name]
            reach = [(value - low).clip(lower=0), (high - value).clip(lower=0)]
            axes.barh(at + shift, value, height=0.36, xerr=reach, color=colour, capsize=2, label=label)
        axes.set_yticks(at, table["perturbation"])
        axes.invert_yaxis()
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set(xlabel="share of the test images, 95 % interval", title="Effect of hiding or adding a cue")
        axes.legend(fontsize=8)
        axes.grid(axis="x", alpha=0.3)


def attribute_probes_table(probes: Sequence[AttributeProbe]) -> pd.DataFrame:
    """One row per attribute."""
    return pd.DataFrame([asdict(probe) for probe in probes])


def draw_attribute_probes(stem: Path, probes: Sequence[AttributeProbe]) -> None:
    """Write `<stem>.png` and `<stem>.csv`: balanced accuracy of each attribute probe, against permuted values."""
    table = attribute_probes_table(probes)
    write_text(stem.with_suffix(".csv"), table.to_csv(index=False, float_format="%.4f"))
    numbers = table.astype(dict.fromkeys(("balanced_accuracy", "chance", "permuted", "permuted_high"), float)).fillna(0)
    at = np.arange(len(table))
    with drawing(stem.with_suffix(".png"), width=8, height=1.7 + 0.5 * len(table)) as axes:
        axes.barh(at - 0.2, numbers["balanced_accuracy"], height=0.36, color="tab:blue", label="probe")
        reach = [0 * numbers["permuted"], numbers["permuted_high"] - numbers["permuted"]]
        axes.barh(
            at + 0.2,
            numbers["permuted"],
            height=0.36,
            xerr=reach,
            color="tab:grey",
            capsize=2,
            label="permutation baseline (whisker: maximum)",
        )
        axes.plot(numbers["chance"], at, "k|", markersize=16, label="chance (constant prediction)")
        names = [p.attribute.replace("_", " ") + (f"\n({p.note})" if p.note else "") for p in probes]
        axes.set_yticks(at, names)
        axes.invert_yaxis()
        axes.set(xlim=(0, 1), xlabel="balanced accuracy", title="What the embedding reveals beyond the region")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.3, -0.15), ncols=1, frameon=False)
        axes.grid(axis="x", alpha=0.3)
