"""What a machine may lack: it is said plainly what is not tested, or fails where everything is to be tested."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def left_out(reason: str) -> NoReturn:
    """Skip the test for a reason that pytest shows at its end; where RAYTRUTH_TEST_EVERYTHING is set (CI), fail it."""
    if os.environ.get("RAYTRUTH_TEST_EVERYTHING"):
        pytest.fail(reason)
    pytest.skip(reason)
