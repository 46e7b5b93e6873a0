"""Progress: every item comes through, a bar where somebody watches, log lines where nobody does."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from dagster_project.core import progress
from dagster_project.core.progress import in_terminal, show_logs, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The `raytruth` logger, put back afterwards."""
    log = logging.getLogger("raytruth")
    before = log.handlers[:], log.level, log.propagate
    yield log
    log.handlers[:], log.level, log.propagate = before


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_every_item_comes_through_in_order(stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", stream())
    assert list(track(iter("abc"), 3, "reading")) == ["a", "b", "c"]
    assert list(track([], 0, "reading")) == []
    assert in_terminal() is (stream is Terminal)


def test_items_are_taken_one_at_a_time() -> None:
    taken = []
    items = track((taken.append(i) or i for i in range(5)), 5, "reading")
    assert next(items) == 0
    assert taken == [0]


def test_without_a_terminal_progress_goes_to_the_log(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger.propagate = True
    monkeypatch.setattr(progress, "_LOG_EVERY_SECONDS", -1.0)
    with caplog.at_level(logging.INFO, "raytruth"):
        list(track("ab", 2, "reading"))
    assert caplog.messages == ["reading: 1 of 2", "reading: 2 of 2"]


def test_it_does_not_log_every_item(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    logger.propagate = True
    with caplog.at_level(logging.INFO, "raytruth"):
        list(track(range(1000), 1000, "reading"))
    assert caplog.messages == []


def test_an_error_of_the_work_comes_through() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(track(items(), 2, "reading"))


def test_logs_go_to_standard_error_once_however_often_asked(
    logger: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    show_logs()
    show_logs()
    logger.info("hello")
    logger.debug("not this")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("hello") == 1
    assert "not this" not in err
