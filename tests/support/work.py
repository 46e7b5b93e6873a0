"""Work for worker processes that does what hostile files make decoders do. Importable by the processes themselves."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
import sys
import time
from pathlib import Path

HANG, EAT, KILLED, ABORTED, LEFT = "hang", "eat memory", "be killed", "abort", "leave"
SLOW, TALK, BROKEN, SEGFAULT, SPIN = "be slow", "talk", "break", "read at null", "spin"
ONCE, COUNTED, HOARD, NEEDY = "once at ", "counted at ", "hoard", "needy"
_hoard: list[bytearray] = []


def behave(item: str) -> str:
    """What `item` asks for; without such a wish, the item in capitals."""
    if item == HANG:
        time.sleep(600)
    elif item == EAT:
        bytearray(8 << 30)
    elif item == KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    elif item == ABORTED:
        os.abort()
    elif item == SEGFAULT:
        ctypes.string_at(0)
    elif item == SPIN:
        re.match(r"(a+)+b", "a" * 64)  # for ever, in C, with the interpreter's lock held
    elif item.startswith(ONCE) and not Path(item.removeprefix(ONCE)).exists():
        Path(item.removeprefix(ONCE)).touch()
        os.abort()
    elif item.startswith(COUNTED):
        with Path(item.removeprefix(COUNTED)).open("a") as tries:
            tries.write("x")
        time.sleep(600)
    elif item == HOARD:
        _hoard.append(bytearray(300 << 20))
    elif item == NEEDY:
        bytearray(300 << 20)
    elif item == LEFT:
        os._exit(3)
    elif item == SLOW:
        time.sleep(0.4)
    elif item == TALK:
        os.write(2, b"CANARY from a decoder\n")
        logging.getLogger("pydicom").critical("CANARY from pydicom")
    elif item == BROKEN:
        raise LookupError("a mistake of ours")
    return item.upper()


def process_id(item: str) -> int:
    return os.getpid()


def parent_and_module(item: str) -> tuple[int, bool]:
    """The process that this one was forked from, and whether the module `item` is loaded already."""
    return os.getppid(), item in sys.modules
