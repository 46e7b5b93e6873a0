"""Ranking by out-of-sample probabilities: the probability's direction and range, and every kind of suspicion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from dagster_project.label_quality.label_errors import rank as module
from dagster_project.label_quality.label_errors.out_of_fold import OofPredictions
from dagster_project.label_quality.label_errors.rank import WITHOUT_CLASS, in_order_of, rank_labels
from dagster_project.label_quality.label_errors.tables import KINDS
from dagster_project.learning.evaluation.neighbours import Neighbours, find_neighbours
from dagster_project.learning.evaluation.visible_regions import visible_from_text

REGIONS = ("hand", "knee", "foot")
SURE, FOLDS = 0.9, 3


def table_of(labels: np.ndarray, **columns: object) -> pd.DataFrame:
    """A training set with the given class numbers, -1 for none."""
    names = np.array([*REGIONS, None], dtype=object)
    table = pd.DataFrame(
        {
            "image_id": [f"{i:032x}" for i in range(len(labels))],
            "region": names[labels],
            "label_status": np.where(labels >= 0, "region", "missing"),
            "reviewed": False,
            "near_duplicate_group": np.arange(len(labels)),
            "fold": np.arange(len(labels)) // 3 % FOLDS,
        }
    )
    return table.assign(**columns)


def predictions_of(truth: np.ndarray, sure: float = SURE) -> OofPredictions:
    """Two out-of-fold models that are sure of the truth."""
    probabilities = np.full((len(truth), len(REGIONS)), (1 - sure) / 2)
    probabilities[np.arange(len(truth)), truth] = sure
    return OofPredictions(np.stack([probabilities] * 2), np.stack([probabilities] * FOLDS))


def near(place: np.ndarray, known: np.ndarray, count: int = 10) -> Neighbours:
    """Images of one `place` (N,) lie together, each of another patient; the `known` ones count."""
    spots = np.eye(place.max() + 1)[place] + np.random.default_rng(0).normal(0, 0.01, (len(place), place.max() + 1))
    return find_neighbours(spots, known, np.arange(len(place)).astype(str), count)


def ranked(
    table: pd.DataFrame, labels: np.ndarray, oof: OofPredictions, place: np.ndarray | None = None
) -> pd.DataFrame:
    """The list; `place` (N,) says which images look alike, without it those with the same prediction."""
    place = oof.mean.argmax(axis=1) if place is None else place
    known = (labels >= 0) | table["label_status"].isin(WITHOUT_CLASS).to_numpy(bool)
    return rank_labels(table, labels, oof, REGIONS, near(place, known))


def noisy_case(seed: int, flips: int = 12) -> tuple[np.ndarray, np.ndarray, OofPredictions]:
    """Truth, labels with some flipped, and out-of-fold models that are mostly right."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, 240)
    labels = truth.copy()
    labels[:flips] = (truth[:flips] + rng.integers(1, 3, flips)) % 3
    logits = rng.normal(0, 1, (2, len(truth), 3))
    logits[:, np.arange(len(truth)), truth] += 2.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return truth, labels, OofPredictions(probabilities, np.stack([probabilities.mean(axis=0)] * FOLDS))


def test_flipped_labels_come_first_and_carry_the_right_proposal() -> None:
    truth = np.tile([0, 1, 2], 30)
    labels = truth.copy()
    labels[[4, 40, 77]] = (labels[[4, 40, 77]] + 1) % 3
    found = ranked(table_of(labels), labels, predictions_of(truth))
    assert set(found["image_id"][:3]) == {f"{i:032x}" for i in (4, 40, 77)}
    assert found["kind"].tolist() == ["wrong_label"] * 3 + ["none"] * 87
    proposal = found.set_index("image_id")["proposed_region"]
    assert [proposal[f"{i:032x}"] for i in (4, 40, 77)] == [REGIONS[truth[i]] for i in (4, 40, 77)]


def test_ranking_forks_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork beside Dagster's and torch's threads once waited for ever."""
    monkeypatch.setattr("os.fork", lambda: pytest.fail("forked"))
    truth = np.tile([0, 1, 2], 30)
    assert len(ranked(table_of(truth), truth, predictions_of(truth))) == 90


def test_planted_flips_are_found_far_above_chance_whatever_the_seed() -> None:
    for seed in range(5):
        _, labels, oof = noisy_case(seed)
        found = ranked(table_of(labels), labels, oof).sort_values("image_id")
        assert average_precision_score(np.arange(240) < 12, found["error_probability"]) > 0.6  # chance: 0.05


def test_scores_lie_in_0_to_1_lower_is_worse_and_ranks_are_a_permutation() -> None:
    _, labels, oof = noisy_case(3)
    labels[200:220] = -1
    found = ranked(table_of(labels), labels, oof)
    assert found["error_probability"].between(0, 1).all()
    assert (1 - found["error_probability"]).is_monotonic_increasing
    assert found["rank"].tolist() == list(range(1, 241))
    assert sorted(found["image_id"]) == table_of(labels)["image_id"].tolist()
    assert set(found["kind"]) <= set(KINDS)


def test_the_error_probability_is_one_minus_the_score_and_higher_where_the_label_is_wrong() -> None:
    truth, labels, oof = noisy_case(1)
    found = ranked(table_of(labels), labels, oof).sort_values("image_id", ignore_index=True)
    wrong = found["error_probability"][truth != labels]
    assert wrong.mean() > 0.5 > 0.1 > found["error_probability"][truth == labels].mean()


@pytest.mark.slow
def test_error_probabilities_add_up_to_about_as_many_as_are_wrong() -> None:
    expected, planted = 0.0, 0
    for seed in range(6):
        truth, labels, oof = noisy_case(seed, flips=24)
        expected += ranked(table_of(labels), labels, oof)["error_probability"].sum()
        planted += int((truth != labels).sum())
    assert 0.7 * planted < expected < 1.4 * planted


def test_how_labels_go_wrong_is_learned_from_the_labels_of_other_folds_alone() -> None:
    _, labels, oof = noisy_case(4)
    table, mine = table_of(labels), np.flatnonzero(table_of(labels)["fold"] == 1)
    nobody = Neighbours(np.zeros((len(labels), 1), int), np.zeros((len(labels), 1)), np.arange(len(labels)))

    def doubts(of: np.ndarray) -> np.ndarray:
        found = rank_labels(table, of, oof, REGIONS, nobody).sort_values("image_id")
        return found["error_probability"].to_numpy()

    relabelled = labels.copy()
    relabelled[mine[:40]] = (labels[mine[:40]] + 1) % 3
    before, after = doubts(labels), doubts(relabelled)
    np.testing.assert_array_equal(after[mine[40:]], before[mine[40:]])
    assert (after[table["fold"] != 1] != before[table["fold"] != 1]).any(), "else the test would prove nothing"


def test_a_right_label_that_the_models_agree_with_stands_behind_a_wrong_one_though_its_surroundings_are_odd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truth = np.tile([0, 1, 2], 80)
    labels, wrong, odd = truth.copy(), 30, 119
    labels[wrong] = (truth[wrong] + 1) % 3
    oof = predictions_of(truth, sure=0.99)
    for models in (oof.probabilities, oof.around):
        models[:, wrong] = 0.05
        models[:, wrong, truth[wrong]], models[:, wrong, labels[wrong]] = 0.6, 0.35  # rather in doubt than sure
    oddness = np.where(np.arange(240) == odd, 0.45, 0.0)
    monkeypatch.setattr(module, "out_of_domain_probability", lambda _: oddness)
    found = ranked(table_of(labels), labels, oof).set_index("image_id")["rank"]
    assert (found[f"{wrong:032x}"], found[f"{odd:032x}"]) == (1, 2)


def test_probabilities_follow_the_order_of_suspicion_and_keep_their_sum() -> None:
    rng = np.random.default_rng(0)
    suspicion = rng.random(2000)
    probability = np.clip(suspicion**4 + rng.normal(0, 0.1, 2000), 0, 1)
    found = in_order_of(suspicion, suspicion, probability)
    assert (np.diff(found[np.argsort(suspicion)]) >= 0).all()
    assert len(np.unique(found)) == 2000
    assert found.sum() == pytest.approx(probability.sum(), rel=0.02)
    assert in_order_of(suspicion[:3], suspicion[:0], probability[:0]).tolist() == suspicion[:3].tolist()


def test_the_order_of_rows_does_not_matter() -> None:
    _, labels, oof = noisy_case(2)
    order = np.random.default_rng(0).permutation(240)
    shuffled = OofPredictions(oof.probabilities[:, order], oof.around[:, order])
    table, place = table_of(labels), oof.mean.argmax(axis=1)
    neighbours = near(place, labels >= 0)
    place_of = np.argsort(order)
    moved = Neighbours(place_of[neighbours.rows[order]], neighbours.weight[order], neighbours.patient[order])
    again = rank_labels(table.iloc[order].reset_index(drop=True), labels[order], shuffled, REGIONS, moved)
    pd.testing.assert_frame_equal(again, rank_labels(table, labels, oof, REGIONS, neighbours))


def test_images_among_wrong_labels_are_out_of_domain_and_no_region_is_proposed() -> None:
    truth = np.tile([0, 1, 2], 40)
    oof, labels, place = predictions_of(truth), truth.copy(), truth.copy()
    strange = np.arange(90, 120)  # they look alike, and the models do not believe their labels
    place[strange] = 3
    labels[strange] = np.random.default_rng(0).integers(0, 3, len(strange))
    oof.probabilities[:, strange] = oof.around[:, strange] = 1 / 3
    found = ranked(table_of(labels), labels, oof, place)
    outside = found[found["kind"] == "out_of_domain"]
    assert set(outside["image_id"]) == {f"{i:032x}" for i in strange}
    assert set(outside["proposed_region"]) == {""}
    assert set(found["image_id"][: len(strange)]) == set(outside["image_id"])
    assert (
        outside["neighbourhood_noise"].min() > found.loc[found["kind"] != "out_of_domain", "neighbourhood_noise"].max()
    )


def test_an_image_that_may_be_out_of_domain_comes_before_a_label_in_more_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.tile([0, 1, 2], 40)
    oof, strange, doubtful = predictions_of(truth), 30, 31  # of one fold
    oof.probabilities[:, strange], oof.probabilities[:, doubtful] = (0.7, 0.15, 0.15), (0.4, 0.25, 0.35)
    probability = np.where(np.arange(120) == strange, 0.6, 0.0)  # 1 - 0.7 x 0.4 would be less than 1 - 0.25
    monkeypatch.setattr(f"{rank_labels.__module__}.out_of_domain_probability", lambda _: probability)
    first, second = ranked(table_of(truth), truth, oof)["image_id"][:2]
    assert (first, second) == (f"{strange:032x}", f"{doubtful:032x}")


def test_one_wrong_label_among_right_ones_is_no_stranger() -> None:
    truth = np.tile([0, 1, 2], 40)
    labels = truth.copy()
    labels[7] = (labels[7] + 1) % 3
    found = ranked(table_of(labels), labels, predictions_of(truth)).set_index("image_id")
    assert found.loc[f"{7:032x}", ["kind", "rank"]].tolist() == ["wrong_label", 1]


def test_a_image_of_two_regions_is_named_so() -> None:
    truth = np.tile([0, 1, 2], 40)
    labels, oof, place = truth.copy(), predictions_of(truth), truth.copy()
    both = np.arange(100, 112)  # half are labelled hand, half knee, and the models see both
    labels[both], place[both] = np.arange(12) % 2, 3
    oof.probabilities[:, both] = oof.around[:, both] = (0.49, 0.49, 0.02)
    kinds = ranked(table_of(labels), labels, oof, place).set_index("image_id")["kind"]
    assert set(kinds[[f"{i:032x}" for i in both]]) == {"two_regions"}
    assert (kinds == "two_regions").sum() == len(both)


def test_of_two_visible_regions_the_one_that_the_label_does_not_name_is_proposed() -> None:
    truth = np.tile([0, 1, 2], 40)
    labels, oof, place = truth.copy(), predictions_of(truth), truth.copy()
    both = np.arange(100, 112)  # half are labelled hand, half knee; the models see foot rather than knee
    labels[both], place[both] = np.arange(12) % 2, 3
    oof.probabilities[:, both], oof.around[:, both] = (0.4, 0.29, 0.31), (0.49, 0.49, 0.02)
    found = ranked(table_of(labels), labels, oof, place).set_index("image_id").loc[[f"{i:032x}" for i in both]]
    assert set(found["kind"]) == {"two_regions"}
    assert found["proposed_region"].tolist() == ["knee", "hand"] * 6
    for text in found["visible_regions"]:
        seen = visible_from_text(text)
        assert set(list(seen)[:2]) == {"hand", "knee"}
        assert min(list(seen.values())[:2]) >= 0.5


def test_where_judges_see_a_second_region_in_every_image_none_is_named_for_it() -> None:
    rng = np.random.default_rng(0)
    truth = np.tile([0, 1, 2], 60)
    logits = rng.normal(0, 0.4, (len(truth), 3))
    logits[np.arange(len(truth)), truth] += 0.7
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    unsure = OofPredictions(np.stack([probabilities] * 2), np.stack([probabilities] * FOLDS))
    kinds = ranked(table_of(truth), truth, unsure, rng.integers(0, 4, len(truth)))["kind"]
    assert (kinds == "two_regions").mean() < 0.02


def test_a_missing_label_gets_a_proposal_and_the_surest_comes_first() -> None:
    truth = np.tile([0, 1, 2], 20)
    labels = truth.copy()
    labels[[5, 6, 7]] = -1
    oof = predictions_of(truth)
    oof.probabilities[:, 6] = (0.98, 0.01, 0.01)
    table = table_of(labels)
    table.loc[[5, 6, 7], "label_status"] = ["missing", "unmapped", "ambiguous"]
    found = ranked(table, labels, oof)
    missing = found[found["kind"] == "missing_label"]
    assert missing["image_id"].iloc[0] == f"{6:032x}"
    assert missing.set_index("image_id")["proposed_region"].to_dict() == {
        f"{i:032x}": REGIONS[truth[i]] for i in (5, 6, 7)
    }
    assert missing["given_region"].isna().all()
    assert missing["error_probability"].min() > 0.999


def test_a_label_that_names_another_part_of_the_body_is_the_likelier_wrong_the_more_usual_the_image() -> None:
    truth = np.tile([0, 1, 2], 40)
    labels, place, oof = truth.copy(), truth.copy(), predictions_of(truth)
    strange = np.arange(90, 110)
    labels[[5, *strange]], place[strange] = -1, 3
    table = table_of(labels)
    table.loc[[5, *strange], "label_status"] = "out_of_scope"
    found = ranked(table, labels, oof, place).set_index("image_id")
    assert set(found.loc[[f"{i:032x}" for i in (5, *strange)], "kind"]) == {"out_of_domain"}
    assert found.loc[[f"{i:032x}" for i in strange], "error_probability"].max() < 0.1, (
        "the labels were right: it is no region"
    )
    assert found.loc[f"{5:032x}", "error_probability"] > 0.9


def test_copies_that_bear_different_labels_are_found_and_others_are_not() -> None:
    truth = np.tile([0, 1, 2], 20)
    labels = truth.copy()
    oof = predictions_of(truth, sure=0.5)
    table = table_of(labels)
    group = np.arange(60)
    group[4], group[9], group[33] = group[3], group[6], group[31]  # 0 and 1; 0 and 0; 1 and 0
    labels[33] = -1
    table = table_of(labels, near_duplicate_group=group)
    table.loc[33, "label_status"] = "small_class"
    found = ranked(table, labels, oof)
    copies = found.loc[found["kind"] == "near_duplicate", "image_id"]
    assert set(copies) == {f"{i:032x}" for i in (3, 4)}


def test_a_label_that_a_reviewer_gave_is_never_suspected_again() -> None:
    truth = np.tile([0, 1, 2], 20)
    labels = truth.copy()
    labels[4] = (labels[4] + 1) % 3
    reviewed = np.arange(60) == 4
    found = ranked(table_of(labels, reviewed=reviewed), labels, predictions_of(truth)).set_index("image_id")
    assert (found.loc[f"{4:032x}", "kind"], found.loc[f"{4:032x}", "error_probability"]) == ("none", 0.0)


def test_of_two_copies_the_label_that_the_judges_see_is_the_likelier_right() -> None:
    truth = np.tile([0, 1, 2], 20)
    labels, group = truth.copy(), np.arange(60)
    labels[4], group[4] = 0, 3  # 4 is a copy of 3, which is of class 0
    oof = predictions_of(np.where(np.arange(60) == 4, 0, truth))
    alone = ranked(table_of(truth), truth, predictions_of(truth)).set_index("image_id")["error_probability"]
    labels[4] = 2
    found = ranked(table_of(labels, near_duplicate_group=group), labels, oof).set_index("image_id")
    assert found.loc[f"{4:032x}", "error_probability"] > 0.9
    assert alone[f"{3:032x}"] < found.loc[f"{3:032x}", "error_probability"] < 0.1
