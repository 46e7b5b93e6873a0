"""The dvc.yaml of an older version: its stages are those of that version."""

from __future__ import annotations

from pathlib import Path

from dagster_project.core.atomic_io import keep_copy, write_text
from dagster_project.core.settings.migration import read_mapping

_OF_A_METHOD = "encoder_"  # a site leaves out the stages of pretraining methods that it does not use


def migrate_pipeline(path: Path, template: Path) -> tuple[list[str], str]:
    """Replace a dvc.yaml that lacks stages by `template`; return the missing stages, and the name of the kept old file.

    A dvc.yaml that lacks nothing but stages of pretraining methods stays as it is. One that cannot be read lacks all.
    """
    missing = [name for name in _stages(template) if name not in _stages(path)]
    if all(name.startswith(_OF_A_METHOD) for name in missing):
        return [], ""
    kept = keep_copy(path) if path.exists() else "none"
    write_text(path, template.read_text(encoding="utf-8"))
    return missing, kept


def _stages(path: Path) -> list[str]:
    stages = read_mapping(path).get("stages") if path.exists() else None
    return list(stages) if isinstance(stages, dict) else []
