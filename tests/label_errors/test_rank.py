"""Ranking by out-of-sample probabilities: the score's direction and range, and every kind of suspicion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from dagster_project.label_errors.out_of_sample import Judged
from dagster_project.label_errors.rank import KINDS, neighbour_agreement, rank_labels

REGIONS = ("hand", "knee", "foot")
SURE = 0.9


def table_of(labels: np.ndarray, **columns: object) -> pd.DataFrame:
    """A training set with the given class numbers, -1 for none."""
    names = np.array([*REGIONS, None], dtype=object)
    table = pd.DataFrame(
        {
            "image_id": [f"{i:032x}" for i in range(len(labels))],
            "region": names[labels],
            "label_status": np.where(labels >= 0, "region", "absent"),
            "reviewed": False,
            "near_duplicate_group": np.arange(len(labels)),
        }
    )
    return table.assign(**columns)


def says(truth: np.ndarray, unusual: np.ndarray | None = None, sure: float = SURE) -> Judged:
    """Two judges who are sure of the truth."""
    probabilities = np.full((len(truth), len(REGIONS)), (1 - sure) / 2)
    probabilities[np.arange(len(truth)), truth] = sure
    spread = np.linspace(0, 0.5, len(truth)) if unusual is None else unusual
    return Judged(np.stack([probabilities, probabilities]), np.stack([spread, spread]))


def ranked(table: pd.DataFrame, labels: np.ndarray, judged: Judged, share: float = 0.02) -> pd.DataFrame:
    return rank_labels(table, labels, judged, REGIONS, share)


def noisy_case(seed: int, flips: int = 12) -> tuple[np.ndarray, np.ndarray, Judged]:
    """Truth, labels with some flipped, and judges who are mostly right."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, 240)
    labels = truth.copy()
    labels[:flips] = (truth[:flips] + rng.integers(1, 3, flips)) % 3
    logits = rng.normal(0, 1, (2, len(truth), 3))
    logits[:, np.arange(len(truth)), truth] += 2.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return truth, labels, Judged(probabilities, rng.uniform(0, 1, (2, len(truth))))


def test_flipped_labels_come_first_and_carry_the_right_proposal() -> None:
    truth = np.tile([0, 1, 2], 30)
    labels = truth.copy()
    labels[[4, 40, 77]] = (labels[[4, 40, 77]] + 1) % 3
    found = ranked(table_of(labels), labels, says(truth), share=0.0)
    assert set(found["image_id"][:3]) == {f"{i:032x}" for i in (4, 40, 77)}
    assert found["kind"].tolist() == ["wrong_label"] * 3 + ["none"] * 87
    proposal = found.set_index("image_id")["suggested_region"]
    assert [proposal[f"{i:032x}"] for i in (4, 40, 77)] == [REGIONS[truth[i]] for i in (4, 40, 77)]


def test_ranking_forks_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork beside Dagster's and torch's threads once waited for ever."""
    monkeypatch.setattr("os.fork", lambda: pytest.fail("forked"))
    truth = np.tile([0, 1, 2], 30)
    assert len(ranked(table_of(truth), truth, says(truth))) == 90


def test_planted_flips_are_found_far_above_chance_whatever_the_seed() -> None:
    for seed in range(5):
        _, labels, judged = noisy_case(seed)
        found = ranked(table_of(labels), labels, judged).sort_values("image_id")
        assert average_precision_score(np.arange(240) < 12, -found["score"]) > 0.6  # chance: 0.05


def test_scores_lie_in_0_to_1_lower_is_worse_and_ranks_are_a_permutation() -> None:
    _, labels, judged = noisy_case(3)
    labels[200:220] = -1
    found = ranked(table_of(labels), labels, judged)
    assert found["score"].between(0, 1).all()
    assert found["score"].is_monotonic_increasing
    assert found["rank"].tolist() == list(range(1, 241))
    assert sorted(found["image_id"]) == table_of(labels)["image_id"].tolist()
    assert set(found["kind"]) <= set(KINDS)


def test_the_score_is_the_mean_probability_of_the_given_label() -> None:
    _, labels, judged = noisy_case(1)
    found = ranked(table_of(labels), labels, judged, share=0.0).sort_values("image_id")
    np.testing.assert_allclose(found["score"], judged.mean[np.arange(240), labels], rtol=1e-6)


def test_the_order_of_rows_does_not_matter() -> None:
    _, labels, judged = noisy_case(2)
    order = np.random.default_rng(0).permutation(240)
    shuffled = Judged(judged.probabilities[:, order], judged.unusual[:, order])
    again = ranked(table_of(labels).iloc[order].reset_index(drop=True), labels[order], shuffled)
    pd.testing.assert_frame_equal(again, ranked(table_of(labels), labels, judged))


def test_the_most_unusual_pictures_are_out_of_domain_and_no_region_is_proposed() -> None:
    truth = np.tile([0, 1, 2], 34)[:100]
    unusual = np.linspace(0, 0.5, 100)
    unusual[[7, 50]] = (0.99, 1.0)
    found = ranked(table_of(truth), truth, says(truth, unusual), share=0.02)
    outside = found[found["kind"] == "out_of_domain"]
    assert set(outside["image_id"]) == {f"{i:032x}" for i in (7, 50)}
    assert outside["suggested_region"].tolist() == ["", ""]
    assert found["image_id"].iloc[0] == f"{50:032x}"


def test_a_missing_label_gets_a_proposal_and_the_surest_comes_first() -> None:
    truth = np.tile([0, 1, 2], 20)
    labels = truth.copy()
    labels[[5, 6, 7]] = -1
    judged = says(truth)
    judged.probabilities[:, 6] = (0.98, 0.01, 0.01)
    table = table_of(labels)
    table.loc[[5, 6, 7], "label_status"] = ["absent", "unmapped", "undecidable"]
    found = ranked(table, labels, judged)
    missing = found[found["kind"] == "missing_label"]
    assert missing["image_id"].iloc[0] == f"{6:032x}"
    assert missing.set_index("image_id")["suggested_region"].to_dict() == {
        f"{i:032x}": REGIONS[truth[i]] for i in (5, 6, 7)
    }
    assert missing["given_region"].isna().all()
    assert missing["score"].max() < 0.001


def test_a_label_that_names_another_part_of_the_body_is_the_likelier_wrong_the_more_usual_the_picture() -> None:
    truth = np.tile([0, 1, 2], 20)
    labels = truth.copy()
    labels[[5, 6]] = -1
    unusual = np.linspace(0, 0.5, 60)
    unusual[[5, 6]] = (1.0, 0.0)
    table = table_of(labels)
    table.loc[[5, 6], "label_status"] = "outside"
    found = ranked(table, labels, says(truth, unusual)).set_index("image_id")
    assert found.loc[[f"{i:032x}" for i in (5, 6)], "kind"].tolist() == ["out_of_domain"] * 2
    assert found.loc[f"{5:032x}", "score"] == 1.0, "the label was right: it is no region"
    assert found.loc[f"{6:032x}", "score"] == 0.0


def test_copies_that_bear_different_labels_are_found_and_others_are_not() -> None:
    truth = np.tile([0, 1, 2], 20)
    labels = truth.copy()
    judged = says(truth, sure=0.5)
    table = table_of(labels)
    group = np.arange(60)
    group[4], group[9], group[33] = group[3], group[6], group[31]  # 0 and 1; 0 and 0; 1 and 0
    labels[33] = -1
    table = table_of(labels, near_duplicate_group=group)
    table.loc[33, "label_status"] = "small_class"
    found = ranked(table, labels, judged, share=0.0)
    copies = found.loc[found["kind"] == "near_duplicate", "image_id"]
    assert set(copies) == {f"{i:032x}" for i in (3, 4)}


def test_a_label_that_a_reviewer_gave_is_never_suspected_again() -> None:
    truth = np.tile([0, 1, 2], 20)
    labels = truth.copy()
    labels[4] = (labels[4] + 1) % 3
    reviewed = np.arange(60) == 4
    found = ranked(table_of(labels, reviewed=reviewed), labels, says(truth)).set_index("image_id")
    assert (found.loc[f"{4:032x}", "kind"], found.loc[f"{4:032x}", "score"]) == ("none", 1.0)


def test_neighbours_of_the_same_patient_say_nothing() -> None:
    rng = np.random.default_rng(0)
    embeddings = np.concatenate([rng.normal((5, 0), 0.1, (10, 2)), rng.normal((0, 5), 0.1, (10, 2))])
    labels, groups = np.repeat([0, 1], 10), np.array([f"p{i // 2}" for i in range(20)])
    labels[0:2] = 1  # a patient whose two pictures lie among class 0 and bear label 1
    agreement = neighbour_agreement(embeddings, labels, groups, 3)
    np.testing.assert_array_equal(agreement[:2], [0, 0])
    assert agreement[10:].tolist() == [1.0] * 10


def test_neighbour_agreement_is_that_of_a_plain_search() -> None:
    rng = np.random.default_rng(1)
    embeddings, labels = rng.normal(size=(40, 5)), rng.integers(-1, 3, 40)
    groups = np.array([f"p{i % 20}" for i in range(40)])
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    for i, got in enumerate(neighbour_agreement(embeddings, labels, groups, 4)):
        others = [j for j in np.argsort(-(unit @ unit[i])) if labels[j] >= 0 and groups[j] != groups[i]][:4]
        want = np.mean([labels[j] == labels[i] for j in others]) if labels[i] >= 0 else np.nan
        np.testing.assert_allclose(got, want, rtol=1e-6)
