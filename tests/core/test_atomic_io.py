"""Atomic writing: the old file or the new one, never half of either, and the same value gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.core.atomic_io import (
    begin_npy,
    content_hash,
    read_json,
    read_table,
    replacing,
    replacing_dir,
    write_array,
    write_json,
    write_table,
    write_text,
)

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from dagster_project.core.atomic_io import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of the ne")
    os.kill(os.getpid(), signal.SIGKILL)
"""
FOLDER = st.dictionaries(st.sampled_from(["a", "b", "ab", "d/a", "d/b"]), st.binary(max_size=3), max_size=4)


class Broken(Exception):
    pass


def folder_hash(files: dict[str, bytes]) -> str:
    with TemporaryDirectory() as name:
        for relative, content in files.items():
            path = Path(name, relative)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return content_hash(Path(name))


def test_a_file_is_replaced_when_complete_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "a.json"
    write_text(path, "old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.suffix == ".json"
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with suppress(Broken), replacing(path) as temporary:
        temporary.write_text("half")
        raise Broken
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    assert subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(path)], check=False).returncode == -9
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "docs"
    for content in ("one", "two"):
        with replacing_dir(path) as folder:
            write_text(folder / content, content)
    assert [p.name for p in path.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "docs"
    with replacing_dir(path) as folder:
        write_text(folder / "old", "")
    with suppress(Broken), replacing_dir(path) as folder:
        write_text(folder / "new", "")
        raise Broken
    assert [p.name for p in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": [np.int64(2), np.float32(0.5)], "c": np.arange(2), "ä": None})
    write_json(tmp_path / "b", {"ä": None, "c": [0, 1], "a": [2, 0.5], "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_json(tmp_path / "a") == {"a": [2, 0.5], "b": 1, "c": [0, 1], "ä": None}
    assert "ä" in (tmp_path / "a").read_text(encoding="utf-8")


def test_json_refuses_what_it_cannot_hold_and_keeps_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a", 1)
    with pytest.raises(TypeError, match="set"):
        write_json(tmp_path / "a", {1, 2})
    assert read_json(tmp_path / "a") == 1


def test_a_table_comes_back_with_plain_text_and_none(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": pd.array(["ä", None, ""], "string"), "number": [1, 2, 3]})
    write_table(tmp_path / "t.parquet", table)
    back = read_table(tmp_path / "t.parquet")
    assert back["text"].tolist() == ["ä", None, ""]
    assert {type(value) for value in back["text"]} == {str, type(None)}
    assert back["number"].dtype == np.int64
    assert list(read_table(tmp_path / "t.parquet", columns=["number"])) == ["number"]


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table(tmp_path / f"{name}.parquet", pd.DataFrame({"x": ["p", None], "y": [1.5, float("nan")]}))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", pd.DataFrame({"x": pd.array([], "string")}))
    assert list(read_table(tmp_path / "t.parquet")) == ["x"]


@pytest.mark.parametrize("shape", [(0, 4, 4), (3, 4, 4)])
def test_rows_written_after_a_begun_array_are_that_array(shape: tuple[int, ...], tmp_path: Path) -> None:
    rows = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    with (tmp_path / "a.npy").open("wb") as file:
        begin_npy(file, shape)
        for row in rows:
            file.write(row.tobytes())
    for mode in (None, "r"):
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy", mmap_mode=mode), rows)


def test_an_array_is_written_without_pickles(tmp_path: Path) -> None:
    write_array(tmp_path / "a.npy", np.eye(3, dtype=np.float16))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.eye(3))
    with pytest.raises(ValueError, match="pickle"):
        write_array(tmp_path / "a.npy", np.array([{}]))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.eye(3))


def test_the_hash_of_a_file_is_sha_256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert content_hash(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_json_on_disk_is_json_for_others(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"x": [1, None, True]})
    assert json.loads((tmp_path / "a").read_bytes()) == {"x": [1, None, True]}
    assert (tmp_path / "a").read_bytes().endswith(b"\n")


@pytest.mark.slow
@given(FOLDER, FOLDER)
def test_the_hash_of_a_folder_tells_names_and_contents(one: dict, two: dict) -> None:
    assert (folder_hash(one) == folder_hash(two)) == (one == two)
    assert folder_hash(one) == folder_hash(dict(reversed(one.items())))
