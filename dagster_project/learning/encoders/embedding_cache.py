"""Embeddings by encoder and image digest: an image is embedded once, however often and wherever it comes again."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from dagster_project.core.paths import Paths
from dagster_project.learning.encoders.encoder import Encoder
from dagster_project.learning.encoders.onnx_encoder import OnnxEncoder

log = logging.getLogger("raytruth")
_BLOCK = 512  # images that are embedded, and kept, at once
_LONGEST_WAIT = 60.0  # seconds, for another process that writes


def embed_cached(paths: Paths, encoder: Encoder, images: np.ndarray) -> np.ndarray:
    """Embeddings float32 (N, D) of uint8 (N, s, s). Those of plugged-in encoders are kept in `data/.embedding_cache/`.

    An encoder that is trained here changes with each training, so its embeddings are not kept. A cache that cannot be
    read or written costs time, never a result.
    """
    if not isinstance(encoder, OnnxEncoder):
        return encoder.embed(images)
    digests = [hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).digest() for image in images]
    file = paths.embedding_cache / f"{encoder.fingerprint}.sqlite"
    known = _read(file, digests)
    embeddings = np.empty((len(images), encoder.embedding_size), np.float32)
    missing = [row for row, digest in enumerate(digests) if digest not in known]
    for block in (missing[start : start + _BLOCK] for start in range(0, len(missing), _BLOCK)):
        embeddings[block] = encoder.embed(images[block])
        _write(file, [(digests[row], embeddings[row].tobytes()) for row in block])
    for row, digest in enumerate(digests):
        if digest in known:
            embeddings[row] = np.frombuffer(known[digest], np.float32)
    return embeddings


def forget_other_encoders(paths: Paths, fingerprints: set[str]) -> None:
    """Remove the embeddings by all encoders but those with the given fingerprints."""
    for file in paths.embedding_cache.glob("*.sqlite*"):
        if file.name.partition(".")[0] not in fingerprints:
            file.unlink(missing_ok=True)


def _read(file: Path, digests: Sequence[bytes]) -> dict[bytes, bytes]:
    if not file.exists():
        return {}
    try:
        with closing(sqlite3.connect(file, timeout=_LONGEST_WAIT)) as database:
            return dict(_rows(database, digests))
    except sqlite3.Error as error:
        log.warning("the cache of embeddings cannot be read (%s) and is made again", type(error).__name__)
        file.unlink(missing_ok=True)
        return {}


def _rows(database: sqlite3.Connection, digests: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for start in range(0, len(digests), _BLOCK):
        block = digests[start : start + _BLOCK]
        marks = ",".join("?" * len(block))
        yield from database.execute(f"SELECT digest, embedding FROM embeddings WHERE digest IN ({marks})", block)


def _write(file: Path, rows: list[tuple[bytes, bytes]]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=_LONGEST_WAIT)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS embeddings (digest BLOB PRIMARY KEY, embedding BLOB NOT NULL)")
            database.executemany("INSERT OR IGNORE INTO embeddings VALUES (?, ?)", rows)
    except (sqlite3.Error, OSError) as error:
        log.warning("the cache of embeddings cannot be written (%s)", type(error).__name__)
