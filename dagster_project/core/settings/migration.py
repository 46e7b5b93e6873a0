"""The settings of an older version under the names of today, with those that it did not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from dagster_project.core.atomic_io import keep_copy, write_text

# Old name -> new name; the first that matches counts. A profile can have any name.
_RENAMED = (
    (r"ingestion\.side", "ingestion.image_size"),
    (r"validation\.max_undecided_label", "validation.max_ambiguous_label"),
    (r"ensembling\.min_class_pictures", "ensembling.min_class_images"),
    (r"monitoring\.min_pictures", "monitoring.min_images"),
    (r"monitoring\.prediction_drift", "monitoring.label_mix_drift"),
    (r"monitoring\.metadata_drift", "monitoring.acquisition_drift"),
    (r"pacs\.batch_pictures", "pacs.batch_images"),
    (r"profiles\.(\w+)\.px", r"profiles.\1.input_size"),
    (r"profiles\.(\w+)\.batch", r"profiles.\1.batch_size"),
    (r"profiles\.(\w+)\.chunk", r"profiles.\1.micro_batch_size"),
    (r"profiles\.(\w+)\.crossfit_epochs", r"profiles.\1.methods.crossfit.epochs"),
    (r"profiles\.(\w+)\.(simclr|byol|supcon)\.projection", r"profiles.\1.methods.\2.projection_dim"),
    (r"profiles\.(\w+)\.byol\.hidden", r"profiles.\1.methods.byol.hidden_dim"),
    (r"profiles\.(\w+)\.(simclr|byol|supcon)\.(\w+)", r"profiles.\1.methods.\2.\3"),
)
# Version 0.1.0 trained the crossfit encoders with these settings of SupCon.
_OF_SUPCON = ("learning_rate", "temperature", "projection")


@dataclass(frozen=True)
class Migrated:
    """Number of renamed settings, those that were missing, those that are no more, and the old file's new name."""

    renamed: int
    added: list[str]
    unknown: list[str]
    kept: str


def has_old_names(path: Path) -> bool:
    """Whether a params.yaml has a name that only version 0.1.0 knows."""
    return any(_new_name(name) != name for name, _ in _leaves(read_mapping(path)))


def migrate_settings(path: Path, template: Path) -> Migrated:
    """Bring a params.yaml of an older version to the names of today; keep the old file.

    The new file is `template`, with its comments, and with the values of the old file. A file that has all settings of
    `template` under their names stays as it is. So does one that is no mapping, or has a misspelled name.
    """
    old = read_mapping(path)
    values = dict(_leaves(old))
    renamed = {name: new for name in values if (new := _new_name(name)) != name}
    wanted = {renamed.get(name, name): value for name, value in values.items()}
    profiles = old["profiles"] if isinstance(old.get("profiles"), dict) else {}
    for profile in profiles:
        for name in _OF_SUPCON:
            if f"profiles.{profile}.supcon.{name}" in values:
                new = _new_name(f"profiles.{profile}.supcon.{name}").replace(".supcon.", ".crossfit.")
                wanted[new] = values[f"profiles.{profile}.supcon.{name}"]
    added = [name for name in _needed(read_mapping(template), profiles) if name not in wanted] if profiles else []
    editor = YAML()
    editor.width = 4096
    document = editor.load(template.read_text(encoding="utf-8"))
    _add_profiles(document, profiles)
    unknown = [name for name, value in wanted.items() if not _set(document, name.split("."), value)]
    if not renamed and (unknown or not added):
        return Migrated(0, [], [], "")
    there = dict(_leaves(yaml.safe_load(_text(editor, document))))
    for name, value in wanted.items():  # a profile that takes over another's values has taken over the changed ones
        if name in there and there[name] != value:
            _set(document, name.split("."), value, always=True)
    kept = keep_copy(path)
    write_text(path, _text(editor, document))
    return Migrated(len(renamed), added, unknown, kept)


def _text(editor: YAML, document: Any) -> str:
    text = StringIO()
    editor.dump(document, text)
    return text.getvalue()


def _needed(template: dict[str, Any], profiles: dict[str, Any]) -> Iterator[str]:
    """The settings that this version needs. Those of methods belong to the methods that a profile has."""
    first = next(iter(template["profiles"].values()))
    yield from (name for name, _ in _leaves(template) if not name.startswith("profiles."))
    for profile in profiles:
        yield from (f"profiles.{profile}.{name}" for name in first if name != "methods")


def read_mapping(path: Path) -> dict[str, Any]:
    """What a YAML file holds; {} if it cannot be read or is no mapping, which whoever loads it says better."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}
    return values if isinstance(values, dict) else {}


def _new_name(name: str) -> str:
    """What a setting is called today."""
    for pattern, new in _RENAMED:
        if match := re.fullmatch(pattern, name):
            return match.expand(new)
    return name


def _leaves(values: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Name and value of each setting; what users name themselves, such as sources of a PACS, is one value."""
    for key, value in values.items():
        name = f"{before}{key}"
        own = name in ("pacs.sources", "pacs.receiver.allowed", "pacs.receiver.tls", "training_set.region_map")
        if isinstance(value, dict) and not own:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _add_profiles(document: Any, old: dict[str, Any]) -> None:
    """A profile that the template does not have begins as its first profile; one without methods stays without."""
    profiles = document["profiles"]
    first = next(iter(profiles.values()))
    for name, settings in old.items():
        if name not in profiles:
            profiles[name] = deepcopy(first)
            if isinstance(settings, dict) and settings.get("methods") == {}:
                profiles[name]["methods"] = {}


def _set(document: Any, names: list[str], value: Any, *, always: bool = False) -> bool:
    """Set a value that is not there yet, or `always`; return whether there is a setting of this name."""
    for name in names[:-1]:
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    if not isinstance(document, dict) or names[-1] not in document:
        return False
    if always or document[names[-1]] != value:
        document[names[-1]] = value
    return True
