"""The wheel, installed where no file of the checkout can be read."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_LIBRARIES = Path(sysconfig.get_path("purelib"))  # with torch, 2.8 GB: used where they lie

# Runs at the start of every Python of the environment, and of the processes that such a one starts.
_GUARD = """
import os, sys

def _keep_out(event, arguments):
    if event not in ("open", "os.listdir", "os.scandir") or not isinstance(arguments[0], str | os.PathLike):
        return
    path = os.path.realpath(arguments[0]) + os.sep
    if path.startswith({checkout!r}) and not path.startswith({libraries!r}):
        raise PermissionError(f"the wheel reads the checkout: {{path}}")

sys.addaudithook(_keep_out)
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it. The other packages are those of the environment that runs the tests."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def raytruth(self) -> Path:
        return self.folder / "bin" / "raytruth"

    def run(self, *command: object, cwd: Path) -> str:
        """What a command says on standard output; it must end well."""
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, cwd=cwd, env=_environment(), timeout=900
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout


def build(folder: Path) -> Path:
    """The wheel of the checkout, built without a download."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-index"]
    command = [*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(CHECKOUT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("raytruth-*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Installed:
    """A fresh environment with the wheel alone; other packages come from the present one by a path file.

    Path files within a folder that a path file names are not read: the checkout's editable install does not count.
    """
    venv.create(folder, with_pip=False)
    installed = Installed(folder)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(installed.python)]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)],
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (packages,) = (folder / "lib").glob("python*/site-packages")
    guard = _GUARD.format(checkout=f"{CHECKOUT}{os.sep}", libraries=f"{_LIBRARIES}{os.sep}")
    (packages / "keep_out_of_the_checkout.py").write_text(guard)
    (packages / "libraries.pth").write_text(f"{_LIBRARIES}\nimport keep_out_of_the_checkout\n")
    return installed


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
