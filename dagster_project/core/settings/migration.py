"""The settings of version 0.1.0 under the names of today."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from dagster_project.core.atomic_io import write_text

BEFORE = "params.before-0.2.0.yaml"
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


def has_old_names(path: Path) -> bool:
    """Whether a params.yaml has a name that only version 0.1.0 knows."""
    return any(_new_name(name) != name for name, _ in _leaves(_read(path)))


def migrate_settings(path: Path, template: Path) -> tuple[int, list[str]]:
    """Bring a params.yaml of version 0.1.0 to the names of today; keep the old file as BEFORE.

    The new file is `template`, with its comments, and with the values of the old file. Returns the number of settings
    that have another name now, and the settings that this version does not have. A file whose names are those of
    `template` stays as it is: then the number is 0.
    """
    old = _read(path)
    values = dict(_leaves(old))
    renamed = {name: new for name in values if (new := _new_name(name)) != name}
    if not renamed:
        return 0, []
    wanted = {renamed.get(name, name): value for name, value in values.items()}
    profiles = old["profiles"] if isinstance(old.get("profiles"), dict) else {}
    for profile in profiles:
        for name in _OF_SUPCON:
            if f"profiles.{profile}.supcon.{name}" in values:
                new = _new_name(f"profiles.{profile}.supcon.{name}").replace(".supcon.", ".crossfit.")
                wanted[new] = values[f"profiles.{profile}.supcon.{name}"]
    editor = YAML()
    editor.width = 4096
    document = editor.load(template.read_text(encoding="utf-8"))
    _add_profiles(document, profiles)
    unknown = [name for name, value in wanted.items() if not _set(document, name.split("."), value)]
    text = StringIO()
    editor.dump(document, text)
    shutil.copyfile(path, path.with_name(BEFORE))
    write_text(path, text.getvalue())
    return len(renamed), unknown


def _read(path: Path) -> dict[str, Any]:
    """The settings of a file; none if it is no mapping in YAML, which `load_settings` says better."""
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
    """A profile that the template does not have begins as its first profile."""
    profiles = document["profiles"]
    first = next(iter(profiles.values()))
    for name in old:
        if name not in profiles:
            profiles[name] = deepcopy(first)


def _set(document: Any, names: list[str], value: Any) -> bool:
    """Set a value; whether there is a setting of this name."""
    for name in names[:-1]:
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    if not isinstance(document, dict) or names[-1] not in document:
        return False
    if document[names[-1]] != value:
        document[names[-1]] = value
    return True
