"""Which spellings of an identity are found, and what is no hit."""

from __future__ import annotations

import pytest

from dagster_project.intake.privacy.file_contents import BINARY, NUMBERS, TEXT, Piece
from dagster_project.intake.privacy.identities import NAME, NUMBER, PATH, STAFF, UID, Identity
from dagster_project.intake.privacy.search import Search
from dagster_project.intake.privacy.search_patterns import search_patterns_of
from dagster_project.intake.privacy.stopwords import stopwords


def kinds(text: str | bytes, *identities: tuple[str, str], least: int = TEXT) -> set[str]:
    search = Search(search_patterns_of(Identity(kind, value, "b") for kind, value in identities))
    data = text if isinstance(text, bytes) else text.encode()
    return {identity.kind for identity in search.found(Piece("", data, least))}


@pytest.mark.parametrize(
    "text",
    [
        *("Qwertzmann^Jane", "QWERTZMANN, JANE", "jane qwertzmann", "x_Qwertzmann_Jane.dcm", "of qwertzmann:"),
        *('{"n": "\\nQwertzmann"}', "a%20qwertzmann%2c", "janeqwertzmann", "(Jane.Qwertzmann)"),
    ],
)
def test_a_name_is_found_however_it_is_joined(text: str) -> None:
    assert kinds(text, (NAME, "Qwertzmann^Jane^^Dr.")) == {NAME}


@pytest.mark.parametrize("text", ["Qwertzmannia", "xqwertzmann", "Jane", "Qwertz mann", "qwertzmann1"])
def test_a_part_of_a_longer_word_or_a_common_name_alone_is_no_hit(text: str) -> None:
    assert "label" in stopwords()
    assert kinds(text, (NAME, "Qwertzmann^Jan")) == set()


def test_a_name_that_is_a_word_of_our_own_counts_only_as_a_whole() -> None:
    assert kinds("the label of an image", (NAME, "Label^Image")) == set()
    assert kinds("the patient Label, Image", (NAME, "Label^Image")) == {NAME}
    assert search_patterns_of([Identity(NAME, "Label^Image", "b")]).left_out.total() == 2


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("text", ["Müßenäcker", "MÜSSENÄCKER", "MÜßENÄCKER", "müßenäcker"])
def test_letters_beyond_ascii_are_found_in_either_encoding_and_case(text: str, encoding: str) -> None:
    assert kinds(text.encode(encoding), (NAME, "Müßenäcker^Zoë")) == {NAME}


@pytest.mark.parametrize(
    "text", ["M\\u00fc\\u00dfen\\u00e4cker", "M%C3%BC%C3%9Fen%C3%A4cker", "張偉明", "\\u5f35\\u5049\\u660e"]
)
def test_escapes_and_other_scripts_are_found(text: str) -> None:
    assert kinds(text, (NAME, "Müßenäcker^Zoë=張偉明")) == {NAME}


@pytest.mark.parametrize("text", ['"4711082"', "id=4711082,", "4711082", "PID_4711082.txt"])
def test_a_number_is_found_on_its_own(text: str) -> None:
    assert kinds(text, (NUMBER, "4711082")) == {NUMBER}


@pytest.mark.parametrize("text", ["14711082", "0.4711082", "4711082.5", "a4711082f", "47110823"])
def test_digits_within_a_longer_or_decimal_number_are_no_hit(text: str) -> None:
    assert kinds(text, (NUMBER, "4711082")) == set()


@pytest.mark.parametrize("value", ["1", "12345", "X1", "abcd"])
def test_an_id_too_short_is_named_as_not_searched_for(value: str) -> None:
    patterns = search_patterns_of([Identity(NUMBER, value, "b")])
    assert patterns.spellings == []
    assert patterns.left_out.total() == 1


def test_a_uid_is_found_and_another_of_which_it_is_the_beginning_only_at_a_dot() -> None:
    uid = (UID, "1.2.276.0.7230010.3.1.4.8323329.1")
    assert kinds(f"<{uid[1]}>", uid) == {UID}
    assert kinds(uid[1] + "9", uid) == set()


@pytest.mark.parametrize("value", ["1.2", "1", "1.2.840.10008.1.2.1"])
def test_a_uid_that_is_short_or_the_standards_own_is_named_as_not_searched_for(value: str) -> None:
    patterns = search_patterns_of([Identity(UID, value, "b")])
    assert patterns.spellings == []
    assert patterns.left_out.total() == 1


@pytest.mark.parametrize("text", ["Qwertzmann^Jane", "JANE QWERTZMANN", "by qwertzmann, jane:"])
def test_staff_are_found_by_their_full_name_in_either_order(text: str) -> None:
    assert kinds(text, (STAFF, "Qwertzmann^Jane^^Dr.")) == {STAFF}


def test_a_lone_word_that_names_staff_is_not_searched_for() -> None:
    assert kinds("the SYSTEM of room1 by Qwertzmann", (STAFF, "SYSTEM"), (STAFF, "Qwertzmann^Jane")) == set()
    assert search_patterns_of([Identity(STAFF, "SYSTEM", "b")]).left_out.total() == 1


def test_a_path_is_found_whole_and_by_a_rare_file_name() -> None:
    path = (PATH, "DOE_JANE/st1/IM0815X.dcm")
    assert kinds("cannot open /mnt/x/DOE_JANE/st1/IM0815X.dcm", path) == {PATH}
    assert kinds("cannot open IM0815X.dcm", path) == {PATH}
    alike = [(PATH, f"p{i}/IM00001.dcm") for i in range(5)]
    assert kinds("as in IM00001.dcm", *alike) == set()
    assert kinds("as in p3/IM00001.dcm", *alike) == {PATH}


def test_short_patterns_do_not_count_among_numbers_of_images_or_in_binary_files() -> None:
    identities = [(NAME, "Qwertz^Jane"), (NUMBER, "47110825"), (UID, "1.2.276.0.7230010.3")]
    text = b"\0qwertz\0" + b"47110825" + b"\0 1.2.276.0.7230010.3 "
    assert kinds(text, *identities, least=TEXT) == {NAME, NUMBER, UID}
    assert kinds(text, *identities, least=BINARY) == {NUMBER, UID}
    assert kinds(text, *identities, least=NUMBERS) == {UID}
