"""Words of the software's own pages and code, which are in its outputs for any patients."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_WORD = re.compile(r"[^\W\d_]{4,}")
_TEXTS = (".py", ".yaml", ".j2", ".js", ".css", ".html")
# The packages with texts that go into outputs: RayTruth, the templates of Data Docs, the scripts of the drift page.
_PLACES = ("dagster_project", "great_expectations/render", "evidently/nbextension")


@cache
def stopwords() -> frozenset[str]:
    """Case-folded words of four letters or more."""
    return frozenset(
        word.casefold() for file in _files() for word in _WORD.findall(file.read_text("utf-8", errors="ignore"))
    )


def _files() -> Iterator[Path]:
    for place in _PLACES:
        package, _, below = place.partition("/")
        spec = find_spec(package)
        for folder in spec.submodule_search_locations or [] if spec else []:
            yield from (p for p in sorted((Path(folder) / below).rglob("*")) if p.suffix in _TEXTS)
