"""A batch embedded in micro-batches: the gradient of the whole batch's loss, in the memory of one micro-batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.archive import pattern
from support.recorded import in_double
from support.roots import settings_of, small_root
from torch import nn

from dagster_project.core.settings.settings import Profile
from dagster_project.learning.pretraining.batching import plan_batches
from dagster_project.learning.pretraining.methods import METHODS
from dagster_project.learning.pretraining.module import Pretraining
from dagster_project.learning.pretraining.train import Run, make_method

BATCH, MICRO_BATCH = 12, 4


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    small = settings_of(small_root(tmp_path_factory.mktemp("micro-batches") / "root")).learning
    return small.model_copy(update={"batch_size": BATCH, "micro_batch_size": MICRO_BATCH})


def a_module(profile: Profile, method: str) -> Pretraining:
    """A module in float64, of twelve images of which some have no label."""
    rng = np.random.default_rng(0)
    labels = np.arange(BATCH) % 4 - 1
    images = np.stack([pattern(int(k) + 1, rng, 40) for k in labels])
    torch.manual_seed(3)
    network = in_double(make_method(Run("encoder", method, 1, 5, images, labels), profile))
    batches = plan_batches(profile, BATCH, 1)
    return Pretraining(network, torch.from_numpy(images), torch.from_numpy(labels), profile, batches, 1, 5, "e")


def gradients(module: Pretraining) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in module.method.named_parameters() if p.grad is not None}


def assert_same(got: dict[str, torch.Tensor], want: dict[str, torch.Tensor]) -> None:
    assert got.keys() == want.keys()
    assert len(got) > 10
    for name, gradient in got.items():
        torch.testing.assert_close(gradient, want[name], rtol=1e-8, atol=1e-12, msg=name)
    assert any(gradient.abs().max() > 1e-4 for gradient in got.values())


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_is_that_of_the_loss_of_all_micro_batches_in_one_go(profile: Profile, method: str) -> None:
    rows = torch.randperm(BATCH)
    module = a_module(profile, method)
    loss = module.training_step(rows, 0)
    loss.backward()

    plain = a_module(profile, method)
    embedded = [plain._embed(start, rows[start : start + MICRO_BATCH]) for start in range(0, BATCH, MICRO_BATCH)]
    whole = plain.method.loss(tuple(torch.cat(parts) for parts in zip(*embedded, strict=True)), plain.labels[rows])
    whole.backward()
    torch.testing.assert_close(loss, whole, rtol=1e-12, atol=0)
    assert_same(gradients(module), gradients(plain))


@pytest.mark.parametrize("method", METHODS)
def test_without_batch_norm_it_is_that_of_the_whole_batch_embedded_at_once(profile: Profile, method: str) -> None:
    rows = torch.randperm(BATCH)
    module, whole = a_module(profile, method), a_module(profile, method)
    for one in (module, whole):
        without_batch_norm(one.method)
    module.training_step(rows, 0).backward()

    drawn: list[tuple[torch.Tensor, ...]] = []
    hook = whole.method.register_forward_pre_hook(lambda _, views: drawn.append(views))
    for start in range(0, BATCH, MICRO_BATCH):
        whole._embed(start, rows[start : start + MICRO_BATCH])
    hook.remove()
    embedded = whole.method(*(torch.cat(views) for views in zip(*drawn, strict=True)))
    whole.method.loss(embedded, whole.labels[rows]).backward()
    assert_same(gradients(module), gradients(whole))


def without_batch_norm(network: nn.Module) -> None:
    for part in list(network.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                setattr(part, name, nn.Identity())


def test_each_micro_batch_has_views_of_its_own(profile: Profile) -> None:
    module, seen = a_module(profile, "simclr"), []
    module.images[:] = module.images[0]
    module.method.register_forward_pre_hook(lambda _, views: seen.extend(views))
    module.training_step(torch.arange(BATCH), 0).backward()
    later, first = torch.cat(seen[:4]), torch.cat(seen[4:6])
    assert len(torch.cat([first, later]).unique(dim=0)) == 2 * BATCH


@pytest.mark.parametrize("method", METHODS)
def test_running_statistics_move_once_a_step_as_the_first_micro_batch_says(profile: Profile, method: str) -> None:
    module, plain = a_module(profile, method), a_module(profile, method)
    module.training_step(torch.arange(BATCH), 0).backward()
    plain._embed(0, torch.arange(MICRO_BATCH))
    buffers, expected = dict(module.method.named_buffers()), dict(plain.method.named_buffers())
    assert any("num_batches_tracked" in name for name in buffers)
    for name, value in buffers.items():
        assert torch.equal(value, expected[name]), name
    assert all(m.track_running_stats for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))


@pytest.mark.parametrize("method", METHODS)
def test_only_one_micro_batch_s_activations_are_kept_at_a_time(profile: Profile, method: str) -> None:
    rows = torch.randperm(BATCH)
    divided = a_module(profile, method)
    whole = a_module(profile.model_copy(update={"micro_batch_size": "batch"}), method)
    assert kept_for_backward(divided, rows) < 0.5 * kept_for_backward(whole, rows)

    module, events = a_module(profile, method), []
    embed = module._embed

    def noted(start: int, part: torch.Tensor) -> tuple[torch.Tensor, ...]:
        events.append(f"embed {start}")
        return embed(start, part)

    def when_done(_: nn.Module, __: object, out: torch.Tensor) -> None:
        start = events[-1].removeprefix("embed ")
        out.register_hook(lambda _: events.append(f"done {start}"))

    module._embed = noted
    module.method.backbone.conv1.register_forward_hook(when_done)
    module.training_step(rows, 0).backward()
    there, back = ["embed 4", "embed 8", "embed 0"], ["done 0", "embed 8", "done 8", "embed 4", "done 4"]
    assert events == there + back


def kept_for_backward(module: Pretraining, rows: torch.Tensor) -> int:
    """Bytes that the forward pass keeps."""
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = module.training_step(rows, 0)
    assert loss.requires_grad
    return sum(kept.values())
