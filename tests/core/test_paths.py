"""Where files lie: all under the root, private things in one place, batch names that can be file names."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths, checked_batch_name

LAYOUT = Paths(Path("/srv/site"))
PRIVATE = {"private", "pseudonym_key", "identities", "files", "label_texts", "identifiers", "sources", "lock"} | {
    "staging",
    *("pacs", "pacs_state", "incoming_batch", "spool", "set_aside", "pushed", "pushed_list", "private_error_causes"),
}


def every_path() -> dict[str, Path]:
    paths = {}
    for name, member in inspect.getmembers(Paths):
        if isinstance(member, property):
            paths[name] = getattr(LAYOUT, name)
        elif inspect.isfunction(member) and inspect.signature(member).return_annotation == "Path":
            parameters = list(inspect.signature(member).parameters)[1:]
            paths[name] = member(LAYOUT, *(f"a-{parameter}" for parameter in parameters))
    return paths


def test_every_path_lies_under_the_root_and_no_two_are_the_same() -> None:
    paths = every_path()
    assert len(paths) > 30
    assert all(path.is_relative_to(LAYOUT.root) and path != LAYOUT.root for path in paths.values())
    assert len(set(paths.values())) == len(paths)


def test_an_error_names_a_path_without_the_root() -> None:
    assert LAYOUT.place(LAYOUT.headers("march")) == "data/headers/march.parquet"


def test_what_names_identities_lies_in_the_private_folder_and_nothing_else_does() -> None:
    inside = {name for name, path in every_path().items() if path.is_relative_to(LAYOUT.private)}
    assert inside == PRIVATE


@pytest.mark.parametrize("name", ["2026-11", "a", "A_b-9", "0", "x" * 64])
def test_a_plain_name_is_a_batch_name(name: str) -> None:
    assert checked_batch_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "-a", "_a", "a b", "a/b", "../a", "a.b", "ä", "a\n", "a\0", "x" * 65, "a\\b", "٣"],
)
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(RayTruthError, match="batch name") as caught:
        checked_batch_name(name)
    assert caught.value.do
    assert not name.strip(".") or name not in caught.value.where


@given(st.text(max_size=70) | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True))
def test_whatever_is_accepted_stays_in_its_folder(name: str) -> None:
    try:
        checked_batch_name(name)
    except RayTruthError:
        assert not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name)
        return
    for path, folder in (
        (LAYOUT.headers(name), LAYOUT.headers_dir),
        (LAYOUT.pixels(name), LAYOUT.pixels_dir),
        (LAYOUT.quarantine(name), LAYOUT.quarantine_dir),
        (LAYOUT.staging(name), LAYOUT.private / "staging"),
    ):
        assert path.parent == folder
        assert path.stem == name
