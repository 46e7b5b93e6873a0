"""Reading radiographs that are to be predicted and not kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.ingestion.passes import nothing_usable, read_headers, read_pictures
from dagster_project.ingestion.pseudonyms import load_pseudonyms
from dagster_project.ingestion.sources import list_files
from dagster_project.ingestion.staged_pixels import staged_pictures
from dagster_project.ingestion.tables import batch_tables
from dagster_project.layout import Layout
from dagster_project.params import Params
from dagster_project.taxonomy.taxonomy import load_taxonomy


@dataclass(frozen=True)
class Scorable:
    """Radiographs that are no batch: identities (columns of identities.parquet) in the order of `places`.

    `pictures` is uint8 (files, side, side), memory-mapped; picture i of the identities is its row `places[i]`.
    """

    identities: pd.DataFrame
    pictures: np.ndarray
    places: list[int]


def read_for_scoring(layout: Layout, params: Params, source: Path, staging: Path) -> Scorable:
    """Read the usable radiographs under `source` without making them a batch.

    Raises RayTruthError if there is none.
    """
    pseudonyms = load_pseudonyms(layout.key)
    taxonomy = load_taxonomy(layout.root / params.regions)
    files = list_files(source)
    reads = read_headers(files, "", pseudonyms, taxonomy, params.ingestion)
    used, places = read_pictures(reads, params.ingestion, staging)
    if not used:
        raise nothing_usable(Counter(reason for read in reads for reason in read.reasons), "the source given")
    return Scorable(batch_tables(reads, used, "", pseudonyms)["identities"], staged_pictures(staging), places)
