"""STOW-RS (PS3.18, section 10.5): the request with one object, and the outcome in the answer."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

UNDERSTOOD = (200, 202, 400, 409, 413, 415)  # answers about the object; others are about the PACS or the request
_FAILED, _REFERENCED = "00081198", "00081199"
_FAILURE, _WARNING = "00081197", "00081196"


@dataclass(frozen=True)
class Stowed:
    """The answer of the PACS. `refused`: why the object was not stored, '' if it was. `warning`: what was changed."""

    refused: str
    warning: str


def request(file: bytes) -> tuple[bytes, str]:
    """Body and content type of the request to store one DICOM file."""
    boundary = uuid.uuid4().hex
    head, tail = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n", f"\r\n--{boundary}--\r\n"
    return head.encode() + file + tail.encode(), f'multipart/related; type="application/dicom"; boundary={boundary}'


def read_answer(status: int, body: bytes) -> Stowed:
    """The outcome for the object. The lists in the body decide, because a PACS may answer 200 for a failure."""
    try:
        answer = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        answer = {}
    failed, referenced = _items(answer, _FAILED), _items(answer, _REFERENCED)
    if failed:
        return Stowed(f"refused by the PACS (failure reason {_number(failed[0], _FAILURE)})", "")
    if status not in (200, 202):
        return Stowed(f"refused by the PACS (HTTP {status})", "")
    warned = [_number(item, _WARNING) for item in referenced if _WARNING in item]
    return Stowed("", f"warning {warned[0]}" if warned else "")


def _items(answer: Any, tag: str) -> list[dict[str, Any]]:
    element = answer.get(tag) if isinstance(answer, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _number(item: dict[str, Any], tag: str) -> str:
    """A reason in the standard's notation (PS3.4 Annex B, PS3.3 C.12.1.1.16), such as 0xA700."""
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    number = values[0] if isinstance(values, list) and values else None
    return f"0x{number:04X}" if isinstance(number, int) else "not given"
