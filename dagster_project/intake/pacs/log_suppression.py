"""What the DICOM libraries say themselves names UIDs, peers and values; none of it may reach a log of ours."""

from __future__ import annotations

import logging
import warnings


def silence_pynetdicom() -> None:
    """Keep pynetdicom's log to itself."""
    from pynetdicom import _config

    _config.LOG_HANDLER_LEVEL = "none"
    _silence("pynetdicom")


def silence_pydicom() -> None:
    """Keep pydicom's log and warnings to itself, in the whole process: threads share them."""
    warnings.filterwarnings("ignore", module="pydicom")
    _silence("pydicom")


def _silence(name: str) -> None:
    logger = logging.getLogger(name)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
