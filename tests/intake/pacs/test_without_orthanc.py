"""On a machine without Orthanc it is said what was not tested; in CI, which is to test everything, tests fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
ONE = "tests/intake/pacs/test_pull.py::test_two_pulls_at_once_are_one_and_a_clear_refusal"


def pytest_without_orthanc(*arguments: str, everything: bool = False) -> subprocess.CompletedProcess[str]:
    """Run pytest where no program is found."""
    environment = {k: v for k, v in os.environ.items() if k != "RAYTRUTH_TEST_EVERYTHING" and "PYTEST" not in k}
    environment |= {"PATH": "/nonexistent"} | ({"RAYTRUTH_TEST_EVERYTHING": "1"} if everything else {})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_every_test_of_the_pacs_is_left_out_and_pytest_says_which_and_why() -> None:
    done = pytest_without_orthanc("-m", "pacs", "tests/intake/pacs", "tests/label_quality/corrections")
    assert done.returncode == 0, done.stdout
    assert "no Orthanc here: the PACS is not tested (apt install orthanc orthanc-dicomweb dcmtk)" in done.stdout
    skipped = re.search(r"(\d+) skipped", done.stdout.splitlines()[-1])
    assert skipped, done.stdout
    assert int(skipped[1]) > 40
    assert len(re.findall(r"^SKIPPED \[\d+\] tests/", done.stdout, re.MULTILINE)) > 10, "each is named"


@pytest.mark.slow
def test_where_everything_is_to_be_tested_its_absence_fails_the_tests() -> None:
    done = pytest_without_orthanc(ONE, everything=True)
    assert done.returncode == 1, done.stdout
    assert "no Orthanc here: the PACS is not tested" in done.stdout
