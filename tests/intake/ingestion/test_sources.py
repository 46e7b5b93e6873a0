"""Folder trees as sources: any shape, every file once, and nothing outside them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.readers import PSEUDONYMS

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.ingestion.headers.sources import fingerprint, list_files, stamp


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with one file, `a.dcm`, beside others that are not part of it."""
    folder = tmp_path / "source"
    put(folder / "a.dcm", "abc")
    put(tmp_path / "outside" / "secret.dcm")
    return folder


def put(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def listed(folder: Path) -> dict[str, str]:
    """Relative path -> why the file is refused, or ''."""
    files = list_files(folder)
    assert len({f.relative for f in files}) == len(files)
    return {f.relative: f.refused for f in files}


def test_a_tree_of_any_shape_is_listed_in_order(source: Path) -> None:
    names = ["a.dcm", "b/c/d/e/IM1", "b/DICOMDIR", ".hidden", ".folder/x.dcm", "name with blank", "ü"]
    for name in names:
        put(source / name)
    assert list(listed(source)) == sorted(names)


def test_a_file_is_listed_with_path_and_size(source: Path) -> None:
    (file,) = list_files(source)
    assert (file.path, file.relative, file.size, file.refused) == (str(source / "a.dcm"), "a.dcm", 3, "")


def test_an_empty_file_and_a_folder_named_as_a_image_are_no_special_files(source: Path) -> None:
    put(source / "empty.dcm")
    (source / "folder.dcm").mkdir()
    assert listed(source) == {"a.dcm": "", "empty.dcm": ""}


def test_a_very_deep_tree_is_listed(source: Path) -> None:
    deep = source.joinpath(*["d"] * 200)
    put(deep / "x.dcm")
    assert "/".join(["d"] * 200 + ["x.dcm"]) in listed(source)


def test_a_folder_beyond_the_longest_path_is_refused_once(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source)
    for _ in range(25):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
    Path("x.dcm").touch()
    first, *others = list_files(source)
    assert first.relative == "a.dcm"
    assert [file.refused for file in others] == ["unreadable"]


def test_links_to_files_and_folders_inside_are_listed_in_their_own_place_only(source: Path) -> None:
    put(source / "sub" / "b.dcm")
    (source / "link.dcm").symlink_to("a.dcm")
    (source / "folder").symlink_to("sub")
    (source / "chain.dcm").symlink_to("link.dcm")
    assert listed(source) == {"a.dcm": "", "sub/b.dcm": ""}


@pytest.mark.parametrize(
    "target", ["../outside/secret.dcm", "../outside", "nowhere", "link", ".", "sub/..", "/dev/null"]
)
def test_a_link_that_leads_out_dangles_or_loops_is_refused(target: str, source: Path) -> None:
    put(source / "sub" / "b.dcm")
    (source / "link").symlink_to(target)
    assert listed(source) == {"a.dcm": "", "sub/b.dcm": "", "link": "link_outside"}


def test_two_links_that_lead_to_each_other_are_refused(source: Path) -> None:
    (source / "x").symlink_to("y")
    (source / "y").symlink_to("x")
    assert listed(source) == {"a.dcm": "", "x": "link_outside", "y": "link_outside"}


def test_a_link_to_the_source_itself_is_a_source_and_is_followed_no_further(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)
    assert listed(tmp_path / "link") == {"a.dcm": ""}


def test_a_fifo_and_a_socket_are_refused_unopened(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(source / "pipe.dcm")
    monkeypatch.chdir(source)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.dcm")
        assert listed(source) == {"a.dcm": "", "pipe.dcm": "special_file", "socket.dcm": "special_file"}


def test_a_folder_that_may_not_be_read_is_refused_and_the_others_are_listed(source: Path) -> None:
    put(source / "closed" / "b.dcm")
    (source / "closed").chmod(0)
    try:
        assert without_rights(source, listed) == {"a.dcm": "", "closed": "unreadable"}
    finally:
        (source / "closed").chmod(0o700)


def test_a_file_that_may_be_read_at_last_has_another_stamp(source: Path) -> None:
    (source / "a.dcm").chmod(0)
    closed = without_rights(source, stamps)
    (source / "a.dcm").chmod(0o644)
    assert without_rights(source, stamps) != closed
    (source / "a.dcm").chmod(0)
    assert without_rights(source, stamps) == closed


def stamps(folder: Path) -> list[str]:
    return [stamp(file) for file in list_files(folder)]


def without_rights(source: Path, look: Callable[[Path], object]) -> Any:
    """What a user who is not root finds by `look`, told by a forked process that gave its rights up."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.chdir(source)
        if not os.geteuid():
            os.setresuid(65534, 65534, 65534)
        os.write(writing, json.dumps(look(Path())).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as said:
        return json.load(said)


def test_a_name_that_is_no_text_is_listed_and_has_a_fingerprint(source: Path) -> None:
    subprocess.run(["touch", os.fsencode(source) + b"/caf\xe9.dcm"], check=True)
    files = list_files(source)
    assert [os.fsencode(f.relative) for f in files] == [b"a.dcm", b"caf\xe9.dcm"]
    assert fingerprint(files, PSEUDONYMS)


def test_an_empty_source_is_an_error_that_does_not_name_it(tmp_path: Path) -> None:
    (tmp_path / "CANARY" / "empty").mkdir(parents=True)
    with pytest.raises(RayTruthError, match="empty") as error:
        list_files(tmp_path / "CANARY")
    assert "CANARY" not in str(error.value)


@pytest.mark.parametrize("name", ["nowhere", "a.dcm"])
def test_a_source_that_is_no_folder_is_an_error_that_does_not_name_it(name: str, source: Path) -> None:
    with pytest.raises(RayTruthError, match="not a folder") as error:
        list_files(source / name)
    assert str(source) not in str(error.value)


def test_the_fingerprint_tells_names_and_sizes_and_needs_the_key(source: Path) -> None:
    prints = [fingerprint(list_files(source), PSEUDONYMS)]
    put(source / "a.dcm", "abcd")
    prints.append(fingerprint(list_files(source), PSEUDONYMS))
    (source / "a.dcm").rename(source / "b.dcm")
    prints.append(fingerprint(list_files(source), PSEUDONYMS))
    prints.append(fingerprint(list_files(source), type(PSEUDONYMS)(b"other")))
    assert len(set(prints)) == 4
    assert fingerprint(list_files(source), PSEUDONYMS) == prints[2]


def test_the_fingerprint_does_not_depend_on_where_the_source_lies(source: Path, tmp_path: Path) -> None:
    before = fingerprint(list_files(source), PSEUDONYMS)
    moved = source.rename(tmp_path / "moved")
    assert fingerprint(list_files(moved), PSEUDONYMS) == before
