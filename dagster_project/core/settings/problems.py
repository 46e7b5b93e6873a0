"""Messages about settings: every missing, invalid or unknown key, with the nearest known key."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def problems_of(section: type[BaseModel], values: Any, above: str = "") -> list[str]:
    """One line for each problem of `values` as settings of `section`; empty if the settings are valid.

    `above` is the key of the section, for the messages.
    """
    try:
        section.model_validate(values)
    except ValidationError as error:
        return [_describe(problem, section, above) for problem in error.errors()]
    return []


def _describe(problem: Any, section: type[BaseModel], above: str) -> str:
    key = ".".join(str(part) for part in (above, *problem["loc"]) if part != "") or "the file"
    if problem["type"] == "extra_forbidden":
        near = get_close_matches(str(problem["loc"][-1]), _known_keys(section), n=1)
        return f"{key}: unknown key" + (f"; did you mean {near[0]}?" if near else "")
    if problem["type"] == "missing":
        return f"{key}: missing"
    return f"{key}: {problem['msg']}"


def _known_keys(section: type[BaseModel]) -> list[str]:
    keys = []
    for name, field in section.model_fields.items():
        keys.append(name)
        for inner in _sections_in(field.annotation):
            keys += _known_keys(inner)
    return keys


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections in an annotation, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections_in(part)]
