"""dciodvfy (Debian's dicom3tools): whether an object is what its IOD asks for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from support.missing import left_out


def errors_of(file: Path) -> list[str]:
    """The errors that dciodvfy reports, each line once; needs dciodvfy."""
    if not shutil.which("dciodvfy"):
        left_out("no dciodvfy here: conformance to the standard is not tested (apt install dicom3tools)")
    done = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, errors="replace")
    lines = (done.stdout + done.stderr).splitlines()
    assert any(line and not line.startswith(("Error", "Warning")) for line in lines), lines  # it names the IOD
    return sorted({line for line in lines if line.startswith("Error")})
