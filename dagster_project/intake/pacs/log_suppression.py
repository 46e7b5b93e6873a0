"""Messages of the DICOM libraries contain UIDs, peers and values, so they must not reach our logs."""

from __future__ import annotations

import logging
import warnings


def silence_pynetdicom() -> None:
    """Switch off pynetdicom's log."""
    from pynetdicom import _config

    _config.LOG_HANDLER_LEVEL = "none"
    _silence("pynetdicom")


def silence_pydicom() -> None:
    """Switch off pydicom's log and warnings in the whole process, because all threads share them."""
    warnings.filterwarnings("ignore", module="pydicom")
    _silence("pydicom")


def _silence(name: str) -> None:
    logger = logging.getLogger(name)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
