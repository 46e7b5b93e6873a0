"""Which patients are one person: linked by headers, equal pixels and near-duplicates.

Pseudonyms stay separate. Linked patients share a group, which is on one side of the split and in one fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dagster_project.intake.ingestion.headers.patient_evidence import PATIENT_ID
from dagster_project.intake.training_set.near_duplicates import linked_groups
from dagster_project.intake.training_set.tables import PATIENT_LINKS

PIXELS, NEAR_DUPLICATE = "pixels", "near_duplicate"
CONTRADICTIONS = {"issuer": "issuer of a patient ID", "sex": "sex", "birth_date": "birth date"}


@dataclass(frozen=True)
class PatientLinks:
    """`person` and `group` map every known patient to the first pseudonym of the linked patients.

    A person is linked by headers and equal pixels only. A group is also linked by near-duplicates, which may come from
    different persons. `table` is the table PATIENT_LINKS.
    """

    person: pd.Series
    group: pd.Series
    table: pd.DataFrame

    @property
    def contradictions(self) -> dict[str, int]:
        """Kind of contradiction (issuer, sex, birth_date) -> number of groups."""
        kinds = self.table.assign(kind=self.table["contradicted_by"].str.split(";")).explode("kind")
        return {str(k): int(n) for k, n in kinds.groupby("kind")["patient_group"].nunique().items() if k}


def person_of(evidence: pd.DataFrame) -> pd.Series:
    """Patient -> first pseudonym of the linked patients, for every patient in `evidence` (columns of `Evidence`)."""
    names = sorted(evidence["patient"].unique())
    return _first_of_linked(names, _pairs(_shared(evidence)))


def link_patients(evidence: pd.DataFrame, table: pd.DataFrame, near_duplicates: np.ndarray) -> PatientLinks:
    """Link the patients of `table` and of `evidence`; `near_duplicates` (P, 2) are row numbers of `table`."""
    names = sorted({*evidence["patient"], *table["patient"]})
    shared, patient = _shared(evidence), table["patient"].to_numpy(object)
    similar = patient[near_duplicates].reshape(-1, 2)
    similar = similar[similar[:, 0] != similar[:, 1]]
    sure = _pairs(shared)
    person = _first_of_linked(names, sure)
    group = _first_of_linked(names, np.concatenate([sure, similar]))
    linked_by = pd.concat(
        [shared[["patient", "evidence"]], pd.DataFrame({"patient": similar.ravel(), "evidence": NEAR_DUPLICATE})]
    )
    here = group[group.index.isin(patient)]
    rows = here[here.duplicated(keep=False)].rename("patient_group").rename_axis("patient").reset_index()
    rows["linked_by"] = _kinds(linked_by.rename(columns={"evidence": "kind"}), rows["patient"])
    rows["contradicted_by"] = _kinds(_contradictions(evidence, shared, group), rows["patient"])
    rows = rows.sort_values(["patient_group", "patient"], ignore_index=True)
    return PatientLinks(person, group, rows[list(PATIENT_LINKS.types)].astype(PATIENT_LINKS.types))


def equal_pixels(headers: pd.DataFrame) -> pd.DataFrame:
    """Evidence from header rows: which patients have images with the same pixels."""
    rows = headers[["patient", "pixel_digest", "patient_sex"]].rename(
        columns={"pixel_digest": "value", "patient_sex": "sex"}
    )
    return rows.assign(evidence=PIXELS, issuer="", birth_date="").drop_duplicates()


def _shared(evidence: pd.DataFrame) -> pd.DataFrame:
    """The rows of things that several patients have; `thing` identifies the thing.

    A patient ID with an unknown issuer may be from any issuer, so it links all patients with this ID. Otherwise IDs of
    different issuers are different IDs (PS3.3 C.2.1).
    """
    evidence = evidence[_of_several(evidence)]  # few rows, out of all images of an archive
    is_id = evidence["evidence"] == PATIENT_ID
    unissued = evidence.loc[is_id & (evidence["issuer"] == ""), "value"].unique()
    issuer = evidence["issuer"].where(is_id & ~evidence["value"].isin(unissued), "")
    rows = evidence.assign(thing=evidence["evidence"] + " " + evidence["value"] + " " + issuer)
    return rows[rows.groupby("thing")["patient"].transform("nunique") > 1]


def _of_several(evidence: pd.DataFrame) -> np.ndarray:
    """Whether several patients have the value of the row, (N,)."""
    value, patient = pd.factorize(evidence["value"])[0], pd.factorize(evidence["patient"])[0]
    once_each = pd.DataFrame({"value": value, "patient": patient}).drop_duplicates()
    return np.bincount(once_each["value"], minlength=1)[value] > 1


def _pairs(shared: pd.DataFrame) -> np.ndarray:
    """Pairs (P, 2) of patients: for each thing, every patient with the first patient who has the thing."""
    first = shared.groupby("thing")["patient"].transform("min")
    pairs = np.stack([first.to_numpy(object), shared["patient"].to_numpy(object)], axis=1)
    return pairs[pairs[:, 0] != pairs[:, 1]]


def _first_of_linked(names: list[str], pairs: np.ndarray) -> pd.Series:
    """Each of the sorted `names` -> the first of the names that `pairs` (P, 2) link it with."""
    index = pd.Index(names, dtype=object)
    number = index.get_indexer(pd.Index(pairs.ravel(), dtype=object)).reshape(-1, 2)
    component = linked_groups(len(index), number)
    return index.to_series().groupby(component).transform("min")


def _contradictions(evidence: pd.DataFrame, shared: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """Columns patient and kind: links that a different sex, birth date or issuer of the same ID contradicts.

    Sex and birth date are compared among patients who have the same thing: a link is contradicted if no value is common
    to all patients with a known value.
    """
    found = []
    for kind in ("sex", "birth_date"):
        stated = shared.loc[shared[kind] != "", ["thing", "patient", kind]].drop_duplicates()
        patients = stated.groupby("thing")["patient"].nunique()
        most = stated.groupby(["thing", kind])["patient"].nunique().groupby("thing").max()
        odd = patients.index[most.reindex(patients.index) < patients]
        found.append(stated.loc[stated["thing"].isin(odd), ["patient"]].assign(kind=kind))
    issued = evidence[(evidence["evidence"] == PATIENT_ID) & (evidence["issuer"] != "")]
    issued = issued.assign(patient_group=issued["patient"].map(group))
    several = issued.groupby(["patient_group", "value"])["issuer"].transform("nunique") > 1
    found.append(issued.loc[several, ["patient"]].assign(kind="issuer"))
    return pd.concat(found)


def _kinds(rows: pd.DataFrame, patients: pd.Series) -> pd.Series:
    """The kinds in `rows` (patient, kind) for each patient, sorted and joined by `;`."""
    joined = rows.drop_duplicates().sort_values("kind").groupby("patient")["kind"].agg(";".join)
    return patients.map(joined).fillna("")
