"""Working roots with settings small enough for tests."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pandas as pd
import yaml

from dagster_project.cli.init import init
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings, load_settings


def small_root(folder: Path, regions: Path | None = None, **changes: object) -> Paths:
    """A root whose settings take seconds: 64 px shards, 32 px views, a narrow network, few epochs.

    `changes` are further settings by dotted name with `__` for the dot: `training_set__min_patients=3`.
    """
    paths = init(folder, regions)
    settings = yaml.safe_load(paths.settings.read_text())
    settings["ingestion"] |= {"image_size": 64, "workers": 1}
    settings["evaluation"] |= {"repeats": 2, "bootstrap": 100, "inverse_regularisation": [0.003, 0.03, 0.3]}
    settings["pretraining"]["plugged_in"] = []  # their network takes longer than all else in such a root
    quick = settings["profiles"]["quick"]
    quick |= {"input_size": 32, "width": 8, "batch_size": 32, "blocks": [1, 1, 1, 1]}
    for method in quick["methods"].values():
        small = {"epochs": 3, "projection_dim": 16, "hidden_dim": 32}
        method |= {name: value for name, value in small.items() if name in method}
    for name, value in changes.items():
        section = settings
        *path, last = name.split("__")
        for key in path:
            section = section[key]
        section[last] = value
    paths.settings.write_text(yaml.safe_dump(settings))
    return paths


def settings_of(paths: Paths) -> Settings:
    """The root's settings."""
    return load_settings(paths.settings)


def where_found(word: str, folder: Path, *, leave_out: tuple[str, ...] = ()) -> list[str]:
    """Files under `folder` whose name or content holds `word`, however stored: raw, parquet, SQLite, JSON escapes.

    `leave_out` are relative paths of folders not to look into.
    """
    found = []
    for path in sorted(p for p in folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(relative.is_relative_to(part) for part in leave_out):
            continue
        if word in path.name or (path.is_file() and word in _content(path)):
            found.append(str(relative))
    return found


def _content(path: Path) -> str:
    raw = path.read_bytes()
    text = raw.decode("latin-1")
    if raw[:4] == b"PAR1":
        text += pd.read_parquet(path).to_csv()
    if raw[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            text += "\n".join(database.iterdump())
    if re.match(rb"\s*[\[{]", raw[:64]):
        try:
            text += json.dumps(json.loads(raw), ensure_ascii=False)
        except ValueError:
            return text
    return text
