"""The three losses against slow references written as in the papers, and their gradients; BYOL's target network."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from dagster_project.learning.pretraining.byol import BYOL, byol_loss
from dagster_project.learning.pretraining.simclr import nt_xent
from dagster_project.learning.pretraining.supcon import supcon

TEMPERATURE = 0.3


def views(seed: int, count: int = 6, size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Two float64 views (count, size) that ask for gradients; lengths differ widely."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(2, count, size, generator=generator, dtype=torch.float64) * 3
    return drawn[0].clone().requires_grad_(), drawn[1].clone().requires_grad_()


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum() / (a.norm() * b.norm())


def slow_nt_xent(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Equation 1 of arXiv 2002.05709, averaged over all 2B anchors."""
    z, count = [*first, *second], len(first)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(2 * count):
        partner = (i + count) % (2 * count)
        others = sum(torch.exp(cosine(z[i], z[k]) / TEMPERATURE) for k in range(2 * count) if k != i)
        total = total - torch.log(torch.exp(cosine(z[i], z[partner]) / TEMPERATURE) / others)
    return total / (2 * count)


def slow_supcon(first: torch.Tensor, second: torch.Tensor, labels: list[int]) -> torch.Tensor:
    """Equation 2 of arXiv 2004.11362; an image labelled -1 has only its own other view as a positive."""
    z, count = [*first, *second], len(first)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(2 * count):
        others = sum(torch.exp(cosine(z[i], z[k]) / TEMPERATURE) for k in range(2 * count) if k != i)
        mine, own = labels[i % count], i % count
        positives = [
            p for p in range(2 * count) if p != i and (p % count == own or (mine >= 0 and labels[p % count] == mine))
        ]
        shares = [torch.log(torch.exp(cosine(z[i], z[p]) / TEMPERATURE) / others) for p in positives]
        total = total - sum(shares) / len(positives)
    return total / (2 * count)


def slow_byol(predicted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Equation 2 of arXiv 2006.07733: squared distances of rows of unit length."""
    rows = [((p / p.norm() - w / w.norm()) ** 2).sum() for p, w in zip(predicted, wanted, strict=True)]
    return sum(rows) / len(rows)


def assert_same_value_and_gradient(fast: torch.Tensor, slow: torch.Tensor, *inputs: torch.Tensor) -> None:
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
    for got, want in zip(torch.autograd.grad(fast, inputs), torch.autograd.grad(slow, inputs), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_nt_xent_and_its_gradient_are_the_paper_s(seed: int) -> None:
    first, second = views(seed)
    fast = nt_xent(first, second, temperature=TEMPERATURE)
    assert_same_value_and_gradient(fast, slow_nt_xent(first, second), first, second)
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, temperature=TEMPERATURE), (first, second))


def test_nt_xent_of_one_pair_is_zero_and_of_equal_images_log_of_the_others() -> None:
    one = torch.ones(1, 3, dtype=torch.float64)
    assert nt_xent(one, one, temperature=TEMPERATURE) == pytest.approx(0, abs=1e-12)
    same = torch.ones(5, 3, dtype=torch.float64)
    assert nt_xent(same, same, temperature=TEMPERATURE) == pytest.approx(math.log(9))


def test_nt_xent_does_not_mind_the_order_of_images_or_views_or_the_length_of_rows() -> None:
    first, second = views(4)
    order, loss = torch.randperm(6), nt_xent(first, second, temperature=TEMPERATURE)
    torch.testing.assert_close(nt_xent(first[order], second[order], temperature=TEMPERATURE), loss)
    torch.testing.assert_close(nt_xent(second, first, temperature=TEMPERATURE), loss)
    torch.testing.assert_close(nt_xent(7 * first, second, temperature=TEMPERATURE), loss)


@pytest.mark.parametrize(
    "labels",
    [
        [0, 0, 1, 1, 2, 2],
        [0, 1, 2, 3, 4, 5],
        [3, 3, 3, 3, 3, 3],
        [0, 0, -1, -1, 1, -1],
    ],
    ids=["pairs", "each its own class", "one class", "some without a label"],
)
def test_supcon_and_its_gradient_are_the_paper_s(labels: list[int]) -> None:
    first, second = views(len(set(labels)))
    fast = supcon(first, second, torch.tensor(labels), temperature=TEMPERATURE)
    assert_same_value_and_gradient(fast, slow_supcon(first, second, labels), first, second)
    assert torch.autograd.gradcheck(
        lambda a, b: supcon(a, b, torch.tensor(labels), temperature=TEMPERATURE), (first, second)
    )


@pytest.mark.parametrize("labels", [[-1] * 6, list(range(6))], ids=["no label", "no label twice"])
def test_supcon_without_positives_of_other_images_is_nt_xent(labels: list[int]) -> None:
    first, second = views(7)
    found = supcon(first, second, torch.tensor(labels), temperature=TEMPERATURE)
    torch.testing.assert_close(found, nt_xent(first, second, temperature=TEMPERATURE))


def test_supcon_is_finite_where_rows_are_equal_or_similarities_extreme() -> None:
    same = torch.ones(4, 3)
    assert torch.isfinite(supcon(same, -same, torch.tensor([0, 0, 1, -1]), temperature=0.01))


@pytest.mark.parametrize("seed", range(3))
def test_byol_s_loss_is_the_squared_distance_of_unit_rows(seed: int) -> None:
    predicted, wanted = views(seed)
    fast, slow = byol_loss(predicted, wanted), slow_byol(predicted, wanted.detach())
    assert_same_value_and_gradient(fast, slow, predicted)
    assert byol_loss(predicted, 5 * predicted).item() == pytest.approx(0, abs=1e-12)
    assert byol_loss(predicted, -predicted).item() == pytest.approx(4)


def small_byol(momentum: float = 0.9) -> BYOL:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8))
    return BYOL(backbone, 8, learning_rate=0.001, momentum=momentum, projection_dim=4, hidden_dim=6)


def images(seed: int) -> torch.Tensor:
    return torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_no_gradient_reaches_byol_s_target() -> None:
    method = small_byol()
    method.loss(method(images(1), images(2)), torch.zeros(5)).backward()
    assert all(p.grad is None and not p.requires_grad for p in method.target.parameters())
    for part in (method.backbone, method.project, method.predict):
        assert all(p.grad is not None for p in part.parameters())


def test_byol_predicts_from_each_view_the_target_of_the_other() -> None:
    method = small_byol().eval()  # so that a view's embedding does not depend on the batch
    first, second = images(1), images(2)

    def one_way(seen: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return byol_loss(method.predict(method.project(method.backbone(seen))), method.target(other))

    both = (one_way(first, second) + one_way(second, first)) / 2
    torch.testing.assert_close(method.loss(method(first, second), torch.zeros(5)), both)


@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_the_target_follows_by_the_paper_s_schedule(progress: float) -> None:
    method = small_byol(momentum=0.9)
    with torch.no_grad():
        for p in [*method.backbone.parameters(), *method.project.parameters()]:
            p.add_(torch.randn_like(p))
        method.backbone[2].running_mean.add_(3)
    before = copy.deepcopy(method.target)
    method.after_step(progress)
    tau = 1 - (1 - 0.9) * (math.cos(math.pi * progress) + 1) / 2
    online = nn.Sequential(method.backbone, method.project)
    for slow, old, fast in zip(method.target.parameters(), before.parameters(), online.parameters(), strict=True):
        torch.testing.assert_close(slow, tau * old + (1 - tau) * fast)
    torch.testing.assert_close(method.target[0][2].running_mean, method.backbone[2].running_mean)


def test_the_target_starts_as_a_copy_and_not_as_the_network_itself() -> None:
    method = small_byol()
    online = nn.Sequential(method.backbone, method.project)
    for slow, fast in zip(method.target.parameters(), online.parameters(), strict=True):
        assert torch.equal(slow, fast)
        assert slow.data_ptr() != fast.data_ptr()
