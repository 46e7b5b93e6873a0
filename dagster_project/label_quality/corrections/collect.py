"""The corrections for the archive: a reviewer named another region for an image whose UIDs are known."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from dagster_project.core.atomic_io import read_table
from dagster_project.core.ledger import load_verdicts, update_corrected_labels
from dagster_project.core.paths import Paths
from dagster_project.core.verdict_kinds import KINDS, NEEDS_REGION
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.region_remap import remap_regions

_SAME = ["image_id", "reviewer", "at", "verdict"]
_UIDS = ["sop_instance_uid", "series_instance_uid", "study_instance_uid"]


@dataclass(frozen=True)
class Correction:
    """One reviewer's verdict on one image, with the image's identity.

    `model_version` is the content hash of the models behind the card that the reviewer was shown.
    """

    image_id: str
    verdict_id: str
    region: str
    given_region: str
    reviewer: str
    at: datetime
    model_version: str
    sop: str = field(repr=False)
    series: str = field(repr=False)
    study: str = field(repr=False)
    path: str = field(repr=False)

    def uid(self, kind: str, code: str) -> str:
        """The UID of the object of this `kind` for this correction and code; the same at every call."""
        return fixed_uid(kind, self.verdict_id, self.sop, code)


@dataclass(frozen=True)
class Collected:
    """The corrections, and the verdicts that give none: reason -> number of images."""

    corrections: list[Correction]
    left_out: Counter[str]


def fixed_uid(*parts: str) -> str:
    """A UID under 2.25 (PS3.5 B.2), determined by `parts`."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, chr(0).join(('raytruth', *parts))).int}"


def collect_corrections(root: Root) -> Collected:
    """The corrections that the ledger holds now, in the regions of today.

    Raises RayTruthError if a verdict names a region that the regions file lacks and `region_map` does not map.
    """
    regions = root.taxonomy.regions
    decided, _ = remap_regions(update_corrected_labels(root.paths), root.settings.training_set.region_map, regions)
    verdicts = load_verdicts(root.paths).drop_duplicates(_SAME, keep="last")[[*_SAME, "verdict_id", "model_version"]]
    table = decided.merge(verdicts, on=_SAME, how="left").merge(_identities(root.paths), on="image_id", how="left")
    found, left_out = [], Counter[str]()
    for row in table.astype(object).where(table.notna(), "").to_dict("records"):
        made = _correction(row)
        if isinstance(made, Correction):
            found.append(made)
        elif made:
            left_out[made] += 1
    return Collected(found, left_out)


def _correction(row: dict) -> Correction | str:
    """The correction, or the reason why there is none; '' for a verdict that changes nothing."""
    kind = KINDS[row["verdict"]]
    if not kind.traits.is_error or row["region"] == row["given_region"]:
        return ""
    if kind not in NEEDS_REGION:
        return f"{kind.traits.words}: there is no region to write"
    if not all(row[uid] for uid in _UIDS):
        return "the image is in no batch any more"
    try:
        at = datetime.fromisoformat(row["at"])
    except ValueError:
        return "the verdict's time cannot be read"
    given = at if at.tzinfo else at.replace(tzinfo=UTC)
    plain = ("image_id", "verdict_id", "region", "given_region", "reviewer", "model_version", "path")
    uids = {name.removesuffix("_instance_uid"): row[name] for name in _UIDS}
    return Correction(**{name: row[name] for name in plain}, **uids, at=given)


def _identities(paths: Paths) -> pd.DataFrame:
    columns = ["image_id", *_UIDS, "path"]
    if not paths.identities.exists():
        return pd.DataFrame(columns=columns)
    return read_table(paths.identities).reindex(columns=columns).drop_duplicates("image_id")
