"""Turned and inverted images are found among a site's own images, by probes that never saw them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from support.limbs import BATCH, EVEN, WIDENING, Limbs, limbs_root
from support.tables import check

from dagster_project.core.atomic_io import read_json, read_table, write_table
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images, load_training_set
from dagster_project.intake.training_set.corrected_images import gather_corrected
from dagster_project.learning.evaluation.embeddings import embed_training_set
from dagster_project.learning.orientation import find
from dagster_project.learning.orientation.batch import judge_batch
from dagster_project.learning.orientation.find import find_turned
from dagster_project.learning.orientation.probe import Embed, Looks, OrientationProbe
from dagster_project.learning.orientation.tables import ORIENTATION, finding_of
from dagster_project.learning.orientation.views import Sample


@pytest.fixture(scope="module")
def limbs(tmp_path_factory: pytest.TempPathFactory) -> Limbs:
    made = limbs_root(tmp_path_factory.mktemp("limbs") / "root")
    find_turned(made.root)
    return made


def found_in(root: Root) -> pd.DataFrame:
    return read_table(root.paths.orientation)


def with_settings(root: Root, section: str, **changes: object) -> Root:
    changed = getattr(root.settings, section).model_copy(update=changes)
    return Root(root.paths, root.settings.model_copy(update={section: changed}))


def test_each_turn_and_the_inversion_are_found(limbs: Limbs) -> None:
    found = found_in(limbs.root)
    check(limbs.root.paths.orientation, ORIENTATION, ())
    widening = load_training_set(limbs.root.paths)["region"] == WIDENING
    for degrees in (90, 180, 270):
        assert roc_auc_score(limbs.turn[widening] == degrees, found[f"turned_{degrees}"][widening]) > 0.99
    assert roc_auc_score(limbs.inverted, found["inverted"]) > 0.99
    planted = [finding_of(t, v) for t, v in zip(limbs.turn.tolist(), limbs.inverted.tolist(), strict=True)]
    flagged = found["finding"] != ""
    assert (found["finding"] == planted)[flagged].all(), "limbs that look alike upside down raise no alarm"
    assert flagged.sum() >= 8, "of 16"


def test_upside_down_is_called_unknown_where_it_cannot_be_recognised(limbs: Limbs) -> None:
    metrics = read_json(limbs.root.paths.metrics("orientation"))
    assert metrics["upside_down_unknown"] == [EVEN]
    assert metrics["auc_180_by_region"][EVEN] < 0.8 < 0.9 < metrics["auc_180_by_region"][WIDENING]
    assert metrics["auc"]["inverted"] > 0.95
    assert sum(metrics["found"].values()) == (found_in(limbs.root)["finding"] != "").sum()


def test_no_probe_judges_an_image_of_a_patient_that_it_learned_from(
    limbs: Limbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = load_training_set(limbs.root.paths)
    stored = find.Views(limbs.root, find.open_encoder(limbs.root, "plugged_in/small"), table).as_stored()
    patient_of = {row.tobytes(): patient for row, patient in zip(stored, table["patient_group"], strict=True)}
    judged = []

    class Watched(OrientationProbe):
        learned_from: set[str]

        def look(self, embeddings: np.ndarray, embed: Embed) -> Looks:
            patients = {patient_of[row.tobytes()] for row in embeddings}
            assert not patients & self.learned_from
            judged.extend(patients)
            return super().look(embeddings, embed)

    def watched(sample: Sample) -> Watched:
        probe = Watched(**vars(fitted(sample)))
        object.__setattr__(probe, "learned_from", set(table["patient_group"].iloc[sample.rows]))
        assert set(table["split"].iloc[sample.rows]) == {"train"}
        return probe

    fitted = find.fit_probe
    monkeypatch.setattr(find, "fit_probe", watched)
    find_turned(limbs.root)
    assert sorted(judged) == sorted(set(table["patient_group"]))


def test_the_same_images_give_the_same_table(limbs: Limbs) -> None:
    before = limbs.root.paths.orientation.read_bytes()
    find_turned(limbs.root)
    assert limbs.root.paths.orientation.read_bytes() == before


def test_images_of_a_later_batch_are_judged_by_the_stored_probe(limbs: Limbs, tmp_path: Path) -> None:
    later = limbs_root(tmp_path / "root")
    table = load_training_set(later.root.paths)
    new = (table["fold"] == 0).to_numpy()
    write_table(later.root.paths.training_set, table[~new].reset_index(drop=True))
    find_turned(later.root)
    known = found_in(later.root)
    result = judge_batch(later.root, BATCH)
    assert result.found is not None
    assert result.found["image_id"].tolist() == table["image_id"].tolist()
    pd.testing.assert_frame_equal(result.found[~new].reset_index(drop=True), known, check_dtype=False)
    assert roc_auc_score(later.turn[new] > 0, 1 - upright(result.found)[new]) > 0.95
    assert roc_auc_score(later.inverted[new], result.found["inverted"][new]) > 0.99
    assert sum(result.counts.values()) == (result.found["finding"] != "").sum() > 0


def upright(found: pd.DataFrame) -> pd.Series:
    return 1 - found[["turned_90", "turned_180", "turned_270"]].sum(axis=1)


def test_sure_turns_and_inversions_are_corrected_before_images_are_embedded(limbs: Limbs) -> None:
    paths, table, found = limbs.root.paths, load_training_set(limbs.root.paths), found_in(limbs.root)
    stored = gather_images(paths, table, 64)
    np.testing.assert_array_equal(gather_corrected(limbs.root, table, 64), stored)
    correcting = with_settings(limbs.root, "orientation", correct_above=0.5)
    corrected = gather_corrected(correcting, table, 64)
    sure = (found[["turned_90", "turned_180", "turned_270", "inverted"]].max(axis=1) > 0.5).to_numpy()
    right = sure & (
        found["finding"] == [finding_of(t, bool(v)) for t, v in zip(limbs.turn, limbs.inverted, strict=True)]
    )
    assert right.sum() >= 8
    np.testing.assert_array_equal(corrected[right], limbs.upright[right])
    np.testing.assert_array_equal(corrected[~sure], stored[~sure])
    np.testing.assert_array_equal(gather_images(paths, table, 64), stored)
    plain = embed_training_set(limbs.root, "plugged_in/small")
    changed = (embed_training_set(correcting, "plugged_in/small") != plain).any(axis=1)
    np.testing.assert_array_equal(changed, sure)


def test_without_an_encoder_or_with_few_images_nothing_is_judged(limbs: Limbs, tmp_path: Path) -> None:
    few = limbs_root(tmp_path / "few", count=24, each=1)
    assert find_turned(few.root).images == 0
    none = with_settings(few.root, "pretraining", plugged_in=())
    summary = find_turned(none)
    assert (summary.images, summary.metrics, len(found_in(none))) == (0, {}, 0)
    check(none.paths.orientation, ORIENTATION, ())
    assert judge_batch(none, BATCH).found is None
    find_turned(limbs.root)
