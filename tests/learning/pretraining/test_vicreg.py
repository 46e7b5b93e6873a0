"""VICReg's loss against a slow reference written as in the paper, its gradient, its symmetries and values by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dagster_project.learning.pretraining.vicreg import VICReg, vicreg_terms


def views(seed: int, count: int = 6, size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Two float64 views (count, size) that ask for gradients; some dimensions deviate by less than 1, some by more."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(2, count, size, generator=generator, dtype=torch.float64) * torch.tensor([0.3, 0.8, 1.5, 3.0])
    return drawn[0].clone().requires_grad_(), drawn[1].clone().requires_grad_()


def slow_terms(first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
    """Algorithm 1 of arXiv 2105.04906, one element after the other."""
    count, size = first.shape
    invariance = sum((first[i, j] - second[i, j]) ** 2 for i in range(count) for j in range(size)) / (count * size)
    variance, covariance = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for z in (first, second):
        means = [sum(z[i, j] for i in range(count)) / count for j in range(size)]

        def between(j: int, k: int, z: torch.Tensor = z, means: list[torch.Tensor] = means) -> torch.Tensor:
            return sum((z[i, j] - means[j]) * (z[i, k] - means[k]) for i in range(count)) / (count - 1)

        variance = variance + sum(torch.relu(1 - torch.sqrt(between(j, j) + 1e-4)) for j in range(size)) / size
        pairs = [(j, k) for j in range(size) for k in range(size) if j != k]
        covariance = covariance + sum(between(j, k) ** 2 for j, k in pairs) / size
    return [invariance, variance, covariance]


@pytest.mark.parametrize("seed", range(3))
def test_the_terms_and_their_gradients_are_the_paper_s(seed: int) -> None:
    first, second = views(seed)
    for fast, slow in zip(vicreg_terms(first, second), slow_terms(first, second), strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-12)
        mine = torch.autograd.grad(fast, (first, second), retain_graph=True, materialize_grads=True)
        theirs = torch.autograd.grad(slow, (first, second), retain_graph=True, materialize_grads=True)
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)
    assert torch.autograd.gradcheck(lambda a, b: sum(vicreg_terms(a, b)), (first, second))


def test_the_order_of_views_images_and_dimensions_does_not_matter() -> None:
    first, second = views(4)
    terms = vicreg_terms(first, second)
    images, dimensions = torch.randperm(6), torch.randperm(4)
    for changed in (
        vicreg_terms(second, first),
        vicreg_terms(first[images], second[images]),
        vicreg_terms(first[:, dimensions], second[:, dimensions]),
    ):
        torch.testing.assert_close(changed, terms)
    shifted = vicreg_terms(first + 5, second)
    assert shifted[0] > terms[0] + 1
    torch.testing.assert_close(shifted[1:], terms[1:])


def test_values_that_can_be_had_by_hand() -> None:
    collapsed = torch.ones(5, 3, dtype=torch.float64)
    invariance, variance, covariance = vicreg_terms(collapsed, collapsed)
    assert (invariance, covariance) == (0, 0)
    assert variance.item() == pytest.approx(2 * (1 - math.sqrt(1e-4)))
    apart = torch.tensor(
        [[2.0, 0], [-2, 0], [0, 2], [0, -2]], dtype=torch.float64
    )  # each deviates by 1.63; no covariance
    assert [term.item() for term in vicreg_terms(apart, apart)] == [0, 0, 0]
    assert vicreg_terms(apart, -apart)[0].item() == pytest.approx(8)  # half of the differences are 4, the others 0
    alike = torch.tensor([[2.0, 2], [-2, -2]], dtype=torch.float64)  # both dimensions have variance and covariance 8
    assert [term.item() for term in vicreg_terms(alike, alike)] == [0, 0, pytest.approx(2 * 2 * 8**2 / 2)]


def test_the_loss_weighs_the_terms_and_looks_at_no_label() -> None:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(16, 8))
    weights = {"invariance_weight": 25.0, "variance_weight": 5.0, "covariance_weight": 0.5}
    method = VICReg(backbone, 8, learning_rate=0.001, projection_dim=4, hidden_dim=6, **weights)
    embedded = method(torch.randn(5, 1, 4, 4), torch.randn(5, 1, 4, 4))
    assert [part.shape for part in embedded] == [(5, 4), (5, 4)]
    invariance, variance, covariance = vicreg_terms(*embedded)
    want = 25 * invariance + 5 * variance + 0.5 * covariance
    for labels in (torch.zeros(5), torch.full((5,), -1)):
        torch.testing.assert_close(method.loss(embedded, labels), want)
    method.loss(embedded, torch.zeros(5)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.backbone.parameters() if p.ndim > 1)
