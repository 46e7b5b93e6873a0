"""How a batch is dealt: every image once, the same micro-batches for any number of processes, or plain words."""

from __future__ import annotations

import pytest
import torch
from support.roots import settings_of, small_root

from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Profile
from dagster_project.learning.pretraining.batching import plan_batches


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    small = settings_of(small_root(tmp_path_factory.mktemp("batches") / "root")).learning
    return small.model_copy(update={"batch_size": 24})


@pytest.mark.parametrize("images", [24, 23, 100, 13])
@pytest.mark.parametrize("most", ["batch", 12, 8, 1])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_image_of_a_batch_is_dealt_once(profile: Profile, images: int, most: str, processes: int) -> None:
    batches = plan_batches(profile.model_copy(update={"micro_batch_size": most}), images, processes)
    assert min(24, images) - processes < batches.size <= min(24, images)
    rows = torch.randperm(batches.size)
    dealt = [part for rank in range(processes) for part in batches.micro_batches(rows, rank)]
    assert torch.equal(torch.cat([part for _, part in dealt]), rows)
    assert all(torch.equal(rows[start : start + len(part)], part) for start, part in dealt)
    sizes = {len(part) for _, part in dealt}
    assert max(sizes) == batches.micro_batch_size <= (24 if most == "batch" else most)
    assert max(sizes) - min(sizes) <= 1, "no micro-batch is much smaller: batch norm needs its images"


def test_processes_have_the_micro_batches_that_one_would_have(profile: Profile) -> None:
    divided, rows = profile.model_copy(update={"micro_batch_size": 4}), torch.arange(24)
    alone = plan_batches(divided, 50, 1).micro_batches(rows, 0)
    for processes in (2, 3, 6):
        batches = plan_batches(divided, 50, processes)
        together = [part for rank in range(processes) for part in batches.micro_batches(rows, rank)]
        assert [(start, part.tolist()) for start, part in together] == [(s, p.tolist()) for s, p in alone]


@pytest.mark.parametrize(("images", "processes"), [(100, 5), (3, 4)])
def test_a_batch_that_cannot_be_shared_evenly_is_an_error(profile: Profile, images: int, processes: int) -> None:
    with pytest.raises(RayTruthError, match=f"{min(24, images)} images cannot be divided evenly among {processes}"):
        plan_batches(profile, images, processes)
