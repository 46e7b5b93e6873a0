"""Workers: whatever a file does to its process, only that file is refused, and results come in order."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.dicoms import radiograph, save
from support.hostile import deflated, element, tag_of
from support.readers import HEADERS, PIXELS, source_file
from support.work import (
    ABORTED,
    BROKEN,
    COUNTED,
    EAT,
    HANG,
    HOARD,
    KILLED,
    LEFT,
    NEEDY,
    ONCE,
    SEGFAULT,
    SLOW,
    SPIN,
    TALK,
    behave,
    parent_and_module,
    process_id,
)

from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.sandbox import AHEAD, ContainedWorker, Limits, contained_map

ONE, TWO = Limits(1, 1024, 1.5), Limits(2, 1024, 1.5)
GOOD = [f"item {i}" for i in range(9)]
BOMB = 160 << 20  # bytes, inflated


def said(items: list[str], limits: Limits, chunk: int = 3) -> list[str]:
    """Results in order; of a refused item the reason."""
    found = contained_map(behave, items, limits, chunk=chunk)
    return [result.reason if isinstance(result, RefusedFile) else result for result in found]


def test_results_come_in_order_whatever_the_chunks() -> None:
    items = [f"{i}" for i in range(50)]
    assert said(items, TWO, chunk=7) == items


def test_no_items_give_no_results() -> None:
    assert said([], TWO) == []


def test_the_work_is_done_in_other_processes() -> None:
    assert os.getpid() not in set(contained_map(process_id, GOOD, ONE))


def test_workers_are_forked_from_one_server_that_has_imported_what_readers_need() -> None:
    reader = "dagster_project.intake.ingestion.batch.pixel_reader"
    found = {next(iter(contained_map(parent_and_module, [reader], ONE))) for _ in range(2)}
    ((server, loaded),) = found
    assert server != os.getpid()
    assert loaded


@pytest.mark.slow
def test_only_the_culprits_are_refused_each_for_its_own_reason() -> None:
    items = ["before", KILLED, "a", EAT, "b", HANG, "c", LEFT, ABORTED, "d", SPIN, SEGFAULT, "after"]
    crashed, slow = "decoder_crashed", "too_slow"
    expected = ["BEFORE", crashed, "A", "too_large", "B", slow, "C", crashed, crashed, "D", slow, crashed, "AFTER"]
    assert said(items, TWO, chunk=5) == expected


@pytest.mark.slow
def test_a_chunk_of_culprits_only_is_worked_off() -> None:
    assert said([KILLED, HANG, EAT, ABORTED, KILLED], ONE, chunk=5) == [
        *("decoder_crashed", "too_slow", "too_large", "decoder_crashed", "decoder_crashed")
    ]


def test_a_crash_that_does_not_come_again_is_not_held_against_the_item(tmp_path: Path) -> None:
    once = f"{ONCE}{tmp_path / 'done'}"
    assert said(["a", once, "b"], ONE) == ["A", once.upper(), "B"]
    assert (tmp_path / "done").exists()


@pytest.mark.slow
def test_an_item_is_not_blamed_for_the_memory_that_others_left_full() -> None:
    narrow = Limits(1, 900, 20)
    assert said([HOARD, NEEDY, "a"], narrow) == [HOARD.upper(), NEEDY.upper(), "A"]


@pytest.mark.slow
def test_a_file_that_hangs_is_waited_for_once(tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    assert said(["a", f"{COUNTED}{tries}", "b"], ONE) == ["A", "too_slow", "B"]
    assert tries.read_text() == "x"


@pytest.mark.slow
def test_the_time_limit_is_a_files_and_not_a_chunks() -> None:
    assert said([SLOW] * 5, ONE, chunk=5) == [SLOW.upper()] * 5


def test_what_decoders_and_libraries_say_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert said([TALK, "a"], ONE) == [TALK.upper(), "A"]
    assert "CANARY" not in "".join(capfd.readouterr())


def test_a_mistake_of_ours_is_raised_and_leaves_no_process() -> None:
    with pytest.raises(LookupError, match="a mistake of ours"):
        said([*GOOD, BROKEN, *GOOD], ONE)
    assert multiprocessing.active_children() == []


def test_who_stops_listening_leaves_no_process() -> None:
    results = contained_map(behave, GOOD * 20, TWO, chunk=1)
    assert list(itertools.islice(results, 2)) == [g.upper() for g in GOOD[:2]]
    results.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_items_are_taken_a_few_chunks_ahead_of_the_results_and_no_further() -> None:
    taken = 0

    def items() -> Iterator[str]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield "a"

    with closing(contained_map(behave, items(), TWO, chunk=2)) as results:
        for asked in range(1, 30):
            assert next(results) == "A"
            assert taken <= asked + 2 * (AHEAD * TWO.workers + 2)


@pytest.mark.slow
def test_a_deflate_bomb_and_a_decoders_panic_are_refused_and_their_neighbours_read(tmp_path: Path) -> None:
    tag = tag_of("StudyComments")
    panicking = radiograph(0)
    panicking.compress("1.2.840.10008.1.2.5")
    panicking.Rows = 40  # a run of this image crosses the end of row 40
    paths = [
        save(radiograph(2), tmp_path / "a.dcm"),
        deflated(radiograph(3), tmp_path / "bomb.dcm", element(tag, "UT", bytes(BOMB))),
        save(panicking, tmp_path / "panic.dcm"),
        save(radiograph(4), tmp_path / "z.dcm"),
    ]
    assert paths[1].stat().st_size < BOMB / 500
    files, limits = [source_file(path) for path in paths], Limits(1, 512, 30)
    headers = list(contained_map(HEADERS, files, limits))
    assert [r.reason if isinstance(r, RefusedFile) else r.reasons for r in headers] == [[], "too_large", [], []]
    pixels = list(contained_map(PIXELS, files, limits))
    found = [r.reason if isinstance(r, RefusedFile) else r.reasons for r in pixels]
    assert found == [[], "too_large", ["decoder_error"], []]


@pytest.mark.slow
def test_the_module_that_a_pixel_worker_loads_is_small() -> None:
    ask = "import sys, dagster_project.intake.ingestion.batch.pixel_reader; print({'pandas', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()", "each worker pays for it, in its time to start and under its cap on memory"


@pytest.mark.slow
def test_a_kept_worker_answers_one_by_one_in_the_same_process_and_survives_what_an_item_does() -> None:
    with closing(ContainedWorker(behave, ONE)) as worker:
        assert worker("item 1") == "ITEM 1"
        for item, reason in ((SEGFAULT, "decoder_crashed"), (HANG, "too_slow"), (EAT, "too_large")):
            assert worker(item).reason == reason
        assert worker("item 2") == "ITEM 2"
    with closing(ContainedWorker(process_id, ONE)) as worker:
        (process,) = {worker("a"), worker("b")}
        assert process != os.getpid()
    assert not Path(f"/proc/{process}").exists(), "closed, it is gone"
