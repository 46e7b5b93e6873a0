"""The linear probe against scikit-learn, with classes missing, and its choice of inverse regularisation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from dagster_project.learning.evaluation.linear_head import choose_linear_head, fit_linear_head


def drawn(seed: int, count: int = 240, classes: int = 4, size: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centres = np.random.default_rng(99).normal(0, 1.5, (classes, size))
    scales = np.geomspace(0.3, 3, size)
    return (((centres[labels] + rng.normal(0, 1, (count, size))) * scales) + 5).astype(np.float32), labels


@pytest.mark.parametrize("inverse_regularisation", [0.01, 1.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_are_scikit_learn_s(classes: int, inverse_regularisation: float) -> None:
    x, labels = drawn(0, classes=classes)
    other, _ = drawn(1, classes=classes)
    peer = make_pipeline(
        Normalizer(), StandardScaler(), LogisticRegression(C=inverse_regularisation, tol=1e-8, max_iter=5000)
    ).fit(x, labels)
    head = fit_linear_head(x, labels, classes, inverse_regularisation)
    got, want = head.probabilities(other), peer.predict_proba(other)
    np.testing.assert_allclose(got, want, atol=2e-3)
    truth = drawn(1, classes=classes)[1]
    assert log_loss(truth, got) == pytest.approx(log_loss(truth, want), abs=1e-3)


def test_without_standardised_features_they_are_scikit_learn_s_with_one_scale_for_all() -> None:
    x, labels = drawn(0)
    other, _ = drawn(1)
    unit = Normalizer().fit_transform(x)
    centre, scale = unit.mean(axis=0), np.sqrt(unit.var(axis=0).mean())
    peer = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000).fit((unit - centre) / scale, labels)
    want = peer.predict_proba((Normalizer().transform(other) - centre) / scale)
    got = fit_linear_head(x, labels, 4, 0.1, standardise=False).probabilities(other)
    np.testing.assert_allclose(got, want, atol=2e-3)
    assert np.abs(got - fit_linear_head(x, labels, 4, 0.1).probabilities(other)).max() > 0.05


@pytest.mark.parametrize("present", [(0, 2), (1, 3), (0, 1, 3)])
def test_a_class_without_images_gets_no_probability(present: tuple[int, ...]) -> None:
    x, labels = drawn(0)
    kept = np.isin(labels, present)
    found = fit_linear_head(x[kept], labels[kept], 4, 1.0).probabilities(x)
    missing = [k for k in range(4) if k not in present]
    assert (found[:, missing] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert (found.argmax(axis=1) == labels)[kept].mean() > 0.7


def test_two_classes_of_more_are_those_of_scikit_learn() -> None:
    x, labels = drawn(0)
    kept = np.isin(labels, (1, 3))
    peer = make_pipeline(Normalizer(), StandardScaler(), LogisticRegression(tol=1e-8, max_iter=5000)).fit(
        x[kept], labels[kept]
    )
    found = fit_linear_head(x[kept], labels[kept], 4, 1.0).probabilities(x[kept])
    np.testing.assert_allclose(found[:, [1, 3]], peer.predict_proba(x[kept]), atol=2e-3)


def test_an_embedding_that_never_varies_does_no_harm() -> None:
    x, labels = drawn(0)
    x[:, 2] = 7
    assert np.isfinite(fit_linear_head(x, labels, 4, 1.0).probabilities(x)).all()


def test_the_inverse_regularisation_with_the_least_log_loss_on_validation_is_chosen() -> None:
    train, validation = drawn(0, 40, size=20), drawn(1, 200, size=20)
    candidates = (0.0001, 0.003, 0.1, 100.0)
    head, chosen = choose_linear_head(train, validation, 4, candidates)
    losses = {
        c: log_loss(validation[1], fit_linear_head(*train, 4, c).probabilities(validation[0]), labels=range(4))
        for c in candidates
    }
    assert chosen == min(losses, key=losses.__getitem__)
    # The winner began at the solution of the one before; it ends where one that began at nothing does.
    of_head = log_loss(validation[1], head.probabilities(validation[0]), labels=range(4))
    assert of_head == pytest.approx(losses[chosen], abs=1e-3)


@pytest.mark.parametrize("count", [30, 400])  # fewer images than dimensions, and more
def test_many_correlated_dimensions_reach_scikit_learn_s_log_loss_at_every_inverse_regularisation(count: int) -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(0, 1, (20, 96)) * np.geomspace(1, 1e-2, 96)
    latent = rng.normal(0, 1, (count + 300, 20))
    labels = (latent @ rng.normal(0, 1, (20, 7)) + rng.gumbel(0, 2, (count + 300, 7))).argmax(axis=1)
    x = np.maximum(latent @ mix + rng.normal(0, 0.05, (count + 300, 96)), 0).astype(np.float32)
    x, labels, seen, truth = x[:count], labels[:count], x[count:], labels[count:]
    for inverse_regularisation in (0.001, 0.1, 1.0):
        peer = make_pipeline(
            Normalizer(), StandardScaler(), LogisticRegression(C=inverse_regularisation, tol=1e-8, max_iter=5000)
        ).fit(x, labels)
        want = log_loss(truth, peer.predict_proba(seen), labels=range(7))
        got = log_loss(
            truth, fit_linear_head(x, labels, 7, inverse_regularisation).probabilities(seen), labels=range(7)
        )
        assert got == pytest.approx(want, abs=1e-3)


def test_a_class_that_only_validation_has_is_no_error() -> None:
    x, labels = drawn(0)
    kept = labels < 3
    head, _ = choose_linear_head((x[kept], labels[kept]), (x, labels), 4, (0.1, 1.0))
    assert (head.probabilities(x)[:, 3] == 0).all()
