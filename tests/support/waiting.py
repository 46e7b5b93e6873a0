"""A process of an encoder that trains nothing. In a module of its own, which imports nothing slow."""

from __future__ import annotations

import logging
import time
from multiprocessing.connection import Connection


def say_and_wait(there: Connection, _: object) -> None:
    """Log to the parent for as long as this process lives."""
    there.recv()
    while True:
        there.send(logging.makeLogRecord({"name": "there"}))
        time.sleep(0.2)
