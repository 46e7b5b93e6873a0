"""Ingestions that are killed or run out of room, and whether what they leave is whole.

A long run: `PYTHONPATH=tests python -m support.interrupted --kills 200`.
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from dagster_project.core.atomic_io import content_hash, read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.ingestion.batch.store import ingested_batches, load_headers, open_pixels
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.root import Root
from support.exports import BATCH, write_mixed_export
from support.roots import settings_of, small_root

FULL, REFUSED, BROKEN = 28, 3, 4  # how a child ends: the disk is full, RayTruthError, anything else
_LONGEST = 120.0  # s


def published(paths: Paths) -> dict[str, str]:
    """Content hashes of all that ingestions publish."""
    path_list = (paths.headers_dir, paths.pixels_dir, paths.quarantine_dir, paths.patient_evidence_dir)
    path_list += (paths.files, paths.identities)
    hashes = {str(p.relative_to(paths.root)): content_hash(p) for p in (*path_list, paths.label_texts) if p.exists()}
    return hashes | {"batches": content_hash(paths.batches)}


def tree(paths: Paths) -> list[str]:
    """Every file under the root's data folder, relative."""
    return sorted(str(p.relative_to(paths.root)) for p in (paths.root / "data").rglob("*") if p.is_file())


def assert_whole(paths: Paths, whole: Paths) -> None:
    """Every batch that counts as ingested has all its images, each once, and the right ones."""
    for batch in ingested_batches(paths):
        headers, expected = load_headers(paths, batch), load_headers(whole, batch)
        assert headers["image_id"].tolist() == expected["image_id"].tolist()
        np.testing.assert_array_equal(open_pixels(paths, batch), open_pixels(whole, batch))
    if paths.files.exists():
        files = read_table(paths.files)
        assert files["file_id"].is_unique


def undisturbed(folder: Path, source: Path) -> Paths:
    """A root in `folder` whose data folder holds just what an ingestion of `source` leaves."""
    settings = small_root(folder / "settings")
    load_pseudonyms(settings.pseudonym_key)
    paths = fresh_root(settings, folder / "whole")
    ingest(Root(paths, settings_of(paths)), source, BATCH)
    return paths


def fresh_root(ingested: Paths, folder: Path) -> Paths:
    """A root with the key and settings of `ingested` that has ingested nothing."""
    paths = Paths(folder)
    paths.private.mkdir(parents=True, mode=0o700)
    for path in (ingested.settings, ingested.root / "regions.yaml", ingested.pseudonym_key):
        shutil.copy(path, paths.root / path.relative_to(ingested.root))
    return paths


def begun(paths: Paths, source: Path, batch: str = BATCH) -> int:
    """Start an ingestion in a forked process that leads a group of its own; returns its process id."""
    child = os.fork()
    if child:
        with suppress(PermissionError, ProcessLookupError):  # the child has done it, or is gone
            os.setpgid(child, child)
        return child
    os.setpgid(0, 0)
    _forget_the_parents_server()
    status = BROKEN
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.dup2(devnull, 2)
        ingest(Root(paths, settings_of(paths)), source, batch)
        status = 0
    except RayTruthError:
        status = REFUSED
    except OSError as error:
        status = FULL if error.errno == errno.ENOSPC else BROKEN
    finally:
        os._exit(status)


def _forget_the_parents_server() -> None:
    """A process of its own would start a server of its own, from which its workers are forked."""
    server = forkserver._forkserver  # type: ignore[attr-defined]
    server._forkserver_address = server._forkserver_alive_fd = server._forkserver_pid = None


def ended(child: int) -> int:
    """Wait for a child; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds after a file of the root appears, or after the start if `file` is empty.

    `group`: with its workers, as a power cut would, or alone, as the kernel does when memory runs out.
    """

    file: str
    seconds: float
    group: bool


def random_moment(random: Random, paths: Paths) -> Moment:
    """A moment anywhere in an ingestion, more often in its last steps, which are short."""
    staging = paths.staging(BATCH).relative_to(paths.root)
    file, longest = random.choice(
        [("", 3.0), (f"{staging}/images.npy", 1.5), (f"{staging}/ready", 0.1), (f"{staging}/ready", 0.03)]
    )
    return Moment(file, random.random() * longest, random.random() < 0.7)


def killed_at(moment: Moment, paths: Paths, source: Path) -> bool:
    """Run an ingestion and kill it; returns False if it had come to its end before."""
    child, until = begun(paths, source), time.monotonic() + _LONGEST
    while moment.file and not (paths.root / moment.file).exists() and time.monotonic() < until:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        time.sleep(0.001)
    time.sleep(moment.seconds)
    (os.killpg if moment.group else os.kill)(child, signal.SIGKILL)
    status = ended(child)
    assert status in (0, -signal.SIGKILL), status
    return status != 0


def kill_many(kills: int, seed: int, ingested: Paths, source: Path, folder: Path) -> Counter[str]:
    """Kill so many ingestions, up to three in a row on one root, then run it to its end and compare with `ingested`.

    Raises AssertionError where a batch is not whole after a kill, or the last state is not just that of `ingested`.
    """
    random, found = Random(seed), Counter[str]()
    while found["killed"] < kills:
        paths = fresh_root(ingested, folder / f"root-{sum(found.values())}")
        for _ in range(random.randint(1, 3)):
            moment = random_moment(random, paths)
            killed = killed_at(moment, paths, source)
            found["killed" if killed else "ended before"] += 1
            found[f"killed after {Path(moment.file).name or 'the start'}"] += killed
            found["left published"] += BATCH in ingested_batches(paths)
            assert_whole(paths, ingested)
        assert ended(begun(paths, source)) == 0
        assert published(paths) == published(ingested)
        assert not set(tree(paths)) ^ set(tree(ingested)), set(tree(paths)) ^ set(tree(ingested))
        found["completed by a rerun"] += 1
        shutil.rmtree(paths.root)
    return found


def main() -> None:
    """Kill many, and print how often when."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        write_mixed_export(source)
        whole, started = undisturbed(Path(folder), source), time.monotonic()
        found = kill_many(options.kills, options.seed, whole, source, Path(folder))
        print(dict(found), f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
