"""The kinds of verdict are listed in one file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import dagster_project
from dagster_project.core.verdict_kinds import ANSWERS, KEEPS_GIVEN, VerdictKind, verdict_on

PACKAGE = Path(dagster_project.__file__).parent
# Kinds of suspicion, columns and label states that share a name with a kind of verdict.
HOMONYMS = {
    "label_quality/label_errors/rank.py": {"wrong_label", "out_of_domain", "two_regions"},
    "label_quality/label_errors/tables.py": {"wrong_label", "out_of_domain", "two_regions"},
    "intake/training_set/tables.py": {"out_of_domain"},
    "label_quality/review/assets.py": {"out_of_domain", "two_regions"},
    "intake/training_set/labels.py": {"out_of_domain"},
    "operations/monitoring/predict_folder.py": {"out_of_domain"},
    "core/verdict_kinds.py": set(VerdictKind),
}


def names_in(path: Path) -> set[str]:
    """The kinds of verdict that a file spells: as a whole string in Python, as a word elsewhere."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return set(re.findall(r"\w+", text)) & set(VerdictKind) - {"retracted"}
    return {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)} & set(VerdictKind)


def test_no_other_file_lists_the_kinds() -> None:
    spelled = {}
    for path in sorted(p for p in PACKAGE.rglob("*") if p.suffix in (".py", ".js", ".html")):
        place = path.relative_to(PACKAGE).as_posix()
        if others := names_in(path) - HOMONYMS.get(place, set()):
            spelled[place] = others
    assert spelled == {}


def test_every_answer_has_words_and_a_hotkey_of_its_own() -> None:
    hotkeys = [kind.traits.hotkey for kind in ANSWERS]
    assert len({*hotkeys, "p", "s", "u"}) == len(ANSWERS) + 3, "the page uses p, s and u itself"
    assert all(re.fullmatch("[a-z]", hotkey) for hotkey in hotkeys)
    assert all(kind.traits.words for kind in ANSWERS)
    assert VerdictKind.RETRACTED not in ANSWERS


@pytest.mark.parametrize(
    ("region", "given", "kind"),
    [
        ("hand", "hand", VerdictKind.GIVEN_IS_RIGHT),
        ("hand", "knee", VerdictKind.WRONG_LABEL),
        ("hand", "", VerdictKind.WRONG_LABEL),
        ("", "hand", VerdictKind.OUT_OF_DOMAIN),
        ("", "", VerdictKind.OUT_OF_DOMAIN),
    ],
)
def test_a_named_region_is_a_verdict(region: str, given: str, kind: VerdictKind) -> None:
    assert verdict_on(region, given) is kind


def test_only_kinds_that_decide_and_are_no_error_keep_the_given_label() -> None:
    assert set(KEEPS_GIVEN) == {VerdictKind.GIVEN_IS_RIGHT, VerdictKind.TWO_REGIONS}
