"""Fixtures shared by all tests. What takes long is made once, also where tests run in several processes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from support.hospital import PATIENTS

REPOSITORY = Path(__file__).parents[1]
# What a kept folder depends on, besides the test file that makes it.
SOURCES = (
    *("dagster_project/**/*.*", "raytruth_phantom/**/*.*", "tests/support/*.py", "tests/**/conftest.py"),
    *("*.yaml", "pyproject.toml", "constraints.txt", "LICENSE", "README.md"),  # a wheel is made of these too
)
A_DAY = 24 * 3600.0
# Test files that take minutes. Each process begins with some of them, so that none is left alone with one at the end.
# The first four need different preparations, so that four processes do not wait for one.
LONGEST = (
    *("end_to_end/test_command_line.py", "intake/pacs/test_daemon.py"),
    *("learning/pretraining/test_side_by_side.py", "end_to_end/test_wheel.py"),
    *("end_to_end/test_bad_input.py", "label_quality/review/test_page.py"),
    *("learning/pretraining/test_two_processes.py", "end_to_end/test_daemon.py"),
    *("end_to_end/test_demo.py", "end_to_end/test_dagster.py", "end_to_end/test_outputs.py"),
    "phantom/test_difficulty.py",
)
LONG_PREPARATION = {"trained", "learned", "hospital", "export", "site"}
settings.register_profile("raytruth", deadline=None)  # no test depends on how fast the machine is
settings.load_profile("raytruth")
for name in ("DO_NOT_TRACK", "DVC_NO_ANALYTICS", "ITERATIVE_DO_NOT_TRACK"):
    os.environ[name] = "1"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ.pop("RAYTRUTH_ROOT", None)
signal.signal(signal.SIGINT, signal.default_int_handler)  # started in the background, a process would ignore Ctrl-C


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="the first case of each test that takes no long preparation")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --quick, keep the first case of each test; leave out what is slow, or needs a trained root or a program."""
    if not config.getoption("--quick"):
        items[:] = longest_first(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
        return
    seen: set[str] = set()
    kept: list[pytest.Item] = []
    for item in items:
        function = item.nodeid.partition("[")[0]
        slow = any(item.get_closest_marker(name) for name in ("slow", "browser", "daemon", "pacs", "gpu"))
        if not slow and not LONG_PREPARATION & set(getattr(item, "fixturenames", ())) and function not in seen:
            kept.append(item)
        seen.add(function)
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def longest_first(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """The tests in an order whose equal parts, one a process, each begin with some of the `LONGEST`."""
    tests = Path(__file__).parent
    files = {name: [item for item in items if item.path == tests / name] for name in LONGEST}
    long = [[item for name in LONGEST[part::processes] for item in files[name]] for part in range(processes)]
    rest = [item for item in items if all(item not in part for part in files.values())]
    ordered: list[pytest.Item] = []
    for part, first in enumerate(long):
        size = len(items) * (part + 1) // processes - len(ordered) - len(first)
        ordered += [*first, *rest[: max(size, 0)]]
        rest = rest[max(size, 0) :]
    return ordered + rest


@pytest.fixture(scope="session")
def made_once() -> Callable[[str, Callable[[Path], object]], Path]:
    """`made_once(name, make)` calls `make(folder)` in one test process only and returns the folder to all.

    The folder is kept for later runs, until a file that it depends on changes. Tests must not change it. It lies
    outside the repository: a root with DVC inside a git repository would behave differently.
    """
    kept = Path(tempfile.gettempdir()) / f"raytruth-tests-{os.getuid()}" / digest_of([])
    kept.mkdir(parents=True, exist_ok=True)
    kept.parent.chmod(0o700)
    found = {path for place in SOURCES for path in REPOSITORY.glob(place) if path.suffix != ".pyc"}
    sources = digest_of(sorted(path for path in found if path.is_file()))

    def get(name: str, make: Callable[[Path], object]) -> Path:
        folder = kept / f"{name}-{digest_of([Path(make.__code__.co_filename)], sources)}"
        done = folder.with_suffix(".made")
        with FileLock(kept / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # half of one, from a run that was stopped
                for old in kept.glob(f"{name}-*.made"):
                    if time.time() - old.stat().st_mtime > A_DAY:
                        old.unlink()
                        shutil.rmtree(old.with_suffix(""))
                make(folder)
            done.touch()
        return folder

    return get


@pytest.fixture(scope="session")
def hospital(made_once: Callable[..., Path]) -> Path:
    """An export of the synthetic hospital: `dicom/` and `truth.csv`; beside its folder, `summary.json`."""

    def make(folder: Path) -> None:
        from raytruth_phantom.hospital import write_hospital

        summary = write_hospital(folder / "export", patients=PATIENTS, seed=7)
        (folder / "summary.json").write_text(json.dumps(asdict(summary)))

    return made_once("hospital", make) / "export"


def digest_of(files: Iterable[Path], before: str = "") -> str:
    """A digest of this checkout, and of files' paths and contents."""
    digest = hashlib.sha256(f"{REPOSITORY}\0{before}".encode())
    for path in files:
        digest.update(f"{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="session", autouse=True)
def one_encoder_at_a_time() -> Iterator[None]:
    """No processes for encoders: the tests' own processes keep the cores busy. `test_side_by_side` has two cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dagster_project.learning.encoders.cpu_parallelism._cores", lambda: 1)
        yield


@pytest.fixture(autouse=True)
def nothing_left_in_the_process() -> Iterator[None]:
    """The next test would work on this one's root: `raytruth` takes it from the environment or the current folder."""
    before = _process_state()
    yield
    assert _process_state() == before, "this test has changed the environment or the current folder for the next one"


def _process_state() -> tuple[str, dict[str, str]]:
    ours = {name: value for name, value in os.environ.items() if name.startswith(("RAYTRUTH_", "DAGSTER_"))}
    return str(Path.cwd()), ours


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal so wide that commands wrap no line, whatever this one is."""
    from dagster_project.cli.common import out

    monkeypatch.setattr(out, "width", 400)
