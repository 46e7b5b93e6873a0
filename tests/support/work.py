"""Work for worker processes that does what hostile files make decoders do. Importable by the processes themselves."""

from __future__ import annotations

import logging
import os
import signal
import time

HANG, EAT, KILLED, ABORTED, LEFT = "hang", "eat memory", "be killed", "abort", "leave"
SLOW, TALK, BROKEN = "be slow", "talk", "break"


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
