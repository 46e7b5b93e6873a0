"""pynetdicom's own log names UIDs and peers; none of it may reach a log of ours."""

from __future__ import annotations

import logging


def silence_pynetdicom() -> None:
    """Keep pynetdicom's log to itself."""
    from pynetdicom import _config

    _config.LOG_HANDLER_LEVEL = "none"
    logger = logging.getLogger("pynetdicom")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
