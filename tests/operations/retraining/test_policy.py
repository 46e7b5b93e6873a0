"""When to monitor, and when to ask for retraining: once a confirmed drift, and only if there is news to learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from support.trained import FIRST, Trained, trained_root
from support.unseen import put_unseen

from dagster_project.core.atomic_io import read_json, write_json
from dagster_project.core.ledger import Verdict, append_verdicts, update_corrected_labels
from dagster_project.intake.resources import RootResource
from dagster_project.intake.training_set.build import build_training_set
from dagster_project.operations.monitoring.drift import measure_drift
from dagster_project.operations.monitoring.stored import needs_monitoring
from dagster_project.operations.retraining.policy import drifted_batches, something_to_learn
from dagster_project.operations.retraining.sensors import retrain_on_drift


@pytest.fixture
def root(made_once: Callable[..., Path], tmp_path: Path) -> Trained:
    return trained_root(made_once).copied_to(tmp_path / "root")


def report(root: Trained, batch: str, *, drifted: bool, model: str | None = None) -> None:
    champion = model or read_json(root.paths.champion)["model"]
    write_json(root.paths.drift(batch), {"batch": batch, "drifted": drifted, "model_version": champion})


def asked(root: Trained) -> list[str]:
    """Run keys of the runs that the sensor asks for."""
    with dg.build_sensor_context() as context:
        result = retrain_on_drift(context, root=RootResource(path=str(root.paths.root)))
    return [request.run_key for request in result.run_requests] if isinstance(result, dg.SensorResult) else []


def test_only_reports_of_drift_made_with_the_present_champion_count(root: Trained) -> None:
    report(root, "a", drifted=True)
    report(root, "b", drifted=False)
    report(root, "c", drifted=True, model="an older one")
    assert list(drifted_batches(root.paths)) == ["a"]


@pytest.mark.slow
def test_one_report_of_drift_asks_once_and_a_changed_one_again(root: Trained) -> None:
    assert asked(root) == []
    report(root, "a", drifted=True)
    first = asked(root)
    assert len(first) == 1
    assert asked(root) == first, "the same run key, which Dagster runs once only"
    write_json(root.paths.drift("a"), read_json(root.paths.drift("a")) | {"causes": ["label_mix"]})
    assert asked(root) != first


def test_a_new_champion_ends_the_asking(root: Trained) -> None:
    report(root, "a", drifted=True)
    write_json(root.paths.champion, read_json(root.paths.champion) | {"model": "a newer one"})
    assert asked(root) == []


@pytest.mark.slow
def test_a_measured_drift_asks_and_a_calm_batch_does_not(root: Trained) -> None:
    put_unseen(root, "calm", 11)
    put_unseen(root, "moved", 22, manufacturer="other")
    for batch in ("calm", "moved"):
        measure_drift(root.open(), batch)
    assert list(drifted_batches(root.paths)) == ["moved"]
    assert asked(root)[0].startswith("drift-moved-")


@pytest.mark.slow
def test_a_batch_is_monitored_when_there_is_no_report_of_it_as_it_stands_with_this_champion(root: Trained) -> None:
    assert not needs_monitoring(root.paths, "unknown")
    put_unseen(root, "new", 11)
    assert needs_monitoring(root.paths, "new")
    measure_drift(root.open(), "new")
    assert not needs_monitoring(root.paths, "new")
    put_unseen(root, "new", 12)
    assert needs_monitoring(root.paths, "new")
    measure_drift(root.open(), "new")
    write_json(root.paths.champion, read_json(root.paths.champion) | {"model": "another"})
    assert needs_monitoring(root.paths, "new")
    root.paths.champion.unlink()
    assert not needs_monitoring(root.paths, "new")


@pytest.mark.slow
def test_new_batches_that_passed_and_new_verdicts_are_something_to_learn(root: Trained) -> None:
    paths = root.paths
    assert something_to_learn(paths) == []
    put_unseen(root, "new", 11)
    put_unseen(root, "bad", 12)
    paths.validation("bad").unlink()
    assert something_to_learn(paths) == ["new batch new"]
    build_training_set(root.open())
    assert something_to_learn(paths) == []
    image = root.truth["image_id"][0]
    append_verdicts(paths, [Verdict(image, "wrong_label", "hand", "knee", "hand", "Dr A")], ("hand",))
    assert something_to_learn(paths) == ["new verdicts"]
    update_corrected_labels(paths)
    assert something_to_learn(paths) == []
    append_verdicts(paths, [Verdict(image, "undetermined", "", "knee", "hand", "Dr A")], ("hand",))
    assert something_to_learn(paths) == [], "it decides nothing"
    assert FIRST not in drifted_batches(paths)
