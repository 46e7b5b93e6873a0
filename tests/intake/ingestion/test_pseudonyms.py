"""Keyed pseudonyms: the same under one key, unlinkable without it, and a key that nobody else can read."""

from __future__ import annotations

import hashlib
import hmac
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms, load_pseudonyms

KEY = b"\x01" * 32
ONE, OTHER = Pseudonyms(KEY), Pseudonyms(b"\x02" * 32)
LOAD = (
    "import sys; from pathlib import Path\n"
    "from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms as load\n"
)
VALUES = st.lists(st.text(st.characters(exclude_characters="\0"), max_size=5), min_size=1, max_size=3)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_pseudonym_is_an_hmac_of_kind_and_values() -> None:
    expected = hmac.digest(KEY, b"patient\0issuer\0id", hashlib.sha256).hex()[:32]
    assert ONE.of("patient", "issuer", "id") == expected


def test_kind_and_key_both_matter() -> None:
    assert len({ONE.of("a", "x"), ONE.of("b", "x"), OTHER.of("a", "x"), ONE.of("a", "y")}) == 4


@given(VALUES, VALUES)
def test_two_lists_of_values_give_one_pseudonym_only_if_they_are_equal(one: list[str], other: list[str]) -> None:
    assert (ONE.of("kind", *one) == ONE.of("kind", *other)) == (one == other)


def test_a_file_name_that_is_no_text_has_a_pseudonym_too() -> None:
    assert re.fullmatch("[0-9a-f]{32}", ONE.of("file", "caf\udce9"))


def test_the_key_does_not_show() -> None:
    assert KEY.hex() not in repr(ONE)
    assert repr(KEY) not in repr(ONE)


def test_the_dates_of_one_patient_keep_their_distances() -> None:
    first, second = date(2026, 3, 1), date(2024, 2, 29)
    moved = [ONE.shifted("p", day) for day in (first, second)]
    assert moved[0] - moved[1] == first - second
    assert 1 <= (first - moved[0]).days <= 365


def test_other_patients_and_other_keys_move_dates_otherwise() -> None:
    day = date(2026, 3, 1)
    assert len({ONE.shifted(f"p{i}", day) for i in range(50)}) > 30
    assert [OTHER.shifted(f"p{i}", day) for i in range(5)] != [ONE.shifted(f"p{i}", day) for i in range(5)]


def test_a_key_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "private" / "pseudonym.key"
    first = load_pseudonyms(path)
    assert load_pseudonyms(path) == first
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert [p.name for p in path.parent.iterdir()] == ["pseudonym.key"]


def test_two_roots_have_different_keys(tmp_path: Path) -> None:
    assert load_pseudonyms(tmp_path / "a" / "key") != load_pseudonyms(tmp_path / "b" / "key")


def test_a_folder_opened_to_others_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "private" / "key"
    load_pseudonyms(path)
    path.parent.chmod(0o755)
    load_pseudonyms(path)
    assert mode(path.parent) == 0o700


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "private" / "key"
    load_pseudonyms(path)
    path.chmod(0o640)
    with pytest.raises(RayTruthError, match="Other users can read"):
        load_pseudonyms(path)


@pytest.mark.parametrize("content", ["", "no key", "00" * 31, "00" * 33, "zz" * 32])
def test_a_damaged_key_is_an_error_and_is_not_replaced(content: str, tmp_path: Path) -> None:
    path = tmp_path / "private" / "key"
    load_pseudonyms(path)
    path.write_text(content)
    with pytest.raises(RayTruthError, match="key is damaged"):
        load_pseudonyms(path)
    assert path.read_text() == content


def test_processes_that_start_at_once_end_up_with_one_key(tmp_path: Path) -> None:
    script = LOAD + "print(load(Path(sys.argv[1])).of('patient', 'x'))"
    command = [sys.executable, "-c", script, str(tmp_path / "private" / "key")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in processes}) == 1
    assert {process.returncode for process in processes} == {0}
