"""Keyed pseudonyms: with the same key, the same patient always gets the same pseudonym, which only the key can link.

HMAC-SHA256 (RFC 2104), truncated to 128 bits. PS3.15 Annex E requires consistent replacement values.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from dagster_project.core.errors import RayTruthError

_KEY_BYTES = 32


@dataclass(frozen=True)
class Pseudonyms:
    """Pseudonyms under one key. The key never appears in a repr."""

    key: bytes = field(repr=False)

    def of(self, kind: str, *values: str) -> str:
        """A 32-digit hexadecimal pseudonym of `values`; equal values of different `kind` get different pseudonyms."""
        message = "\0".join((kind, *values)).encode("utf-8", "surrogatepass")
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()[:32]

    def shifted(self, patient: str, day: date) -> date:
        """`day` moved back by 1 to 365 days; the number is the same for all dates of one patient pseudonym."""
        return day - self._shift(patient)

    def unshifted(self, patient: str, day: date) -> date:
        """The true day of a shifted day. Only for `data/private/`."""
        return day + self._shift(patient)

    def _shift(self, patient: str) -> timedelta:
        return timedelta(days=1 + int(self.of("date", patient), 16) % 365)


def load_pseudonyms(path: Path) -> Pseudonyms:
    """Read the key, or create one with mode 0600 if there is none.

    Raises RayTruthError if the file is not a key, or if other users may read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    if not path.exists():
        _make_key(path)
    if path.stat().st_mode & 0o077:
        raise RayTruthError("Other users can read the pseudonym key", where=str(path), do=f"chmod 600 {path}")
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise RayTruthError(
            "The pseudonym key is damaged",
            where=str(path),
            do="restore the key from your backup; a new key would change all pseudonyms and the split",
        )
    return Pseudonyms(key)


def _make_key(path: Path) -> None:
    """Create the key; it is linked into place when complete, so that two processes at the same time get one key."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as f:
        f.write(secrets.token_hex(_KEY_BYTES))
        f.flush()
        os.fsync(f.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
