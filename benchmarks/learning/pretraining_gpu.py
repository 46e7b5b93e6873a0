"""Images per second of pretraining on a GPU, against a loop without augmentation and data, and against lightly.

    python -m benchmarks.learning.pretraining_gpu [--compile] [--input-size 224] [--batch-size 512]

ResNet-18 and ResNet-50, SimCLR and BYOL, with the pipeline's own Lightning module and trainer: images are on the device
as uint8, with bfloat16 and channels_last. The ceiling trains on two views made once, in a bare loop, so RayTruth's rate
includes augmentation, data and Lightning. After a warm-up each loop runs `--steps` steps and synchronises only at their
end; rounds alternate. `syncs_a_step` counts the synchronisations within the steps that torch reports. Each image counts
once, although it is seen in two views. Goals: 85 % of the ceiling; ResNet-50 SimCLR at least 2,000 images/s on an H200.

lightly's loop (its SimCLR transform, head and loss; DataLoader; bfloat16, channels_last) is measured in the same run if
lightly and torchvision can be imported. Otherwise it is left out, with a message.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch

from benchmarks.results import arguments, save, shipped_settings, spread
from dagster_project.core.settings.settings import Profile
from dagster_project.learning.encoders.device import precision_of
from dagster_project.learning.pretraining.batching import plan_batches
from dagster_project.learning.pretraining.methods_on import method_settings
from dagster_project.learning.pretraining.module import Pretraining
from dagster_project.learning.pretraining.plan import SOURCE_MARGIN
from dagster_project.learning.pretraining.train import Run, make_method

NETWORKS: dict[str, dict[str, object]] = {
    "resnet18": {"block": "basic", "blocks": (2, 2, 2, 2)},
    "resnet50": {"block": "bottleneck", "blocks": (3, 4, 6, 3)},
}
METHODS = ("simclr", "byol")
GOAL = 0.85


@dataclass(frozen=True)
class Plan:
    """How long each measurement runs. `steps` are timed, after `warmup` steps that are not."""

    images: int
    warmup: int
    steps: int
    rounds: int
    compiled: bool


@dataclass
class Clock(pl.Callback):
    """Times the steps after the warm-up; synchronises twice, never between."""

    plan: Plan
    seconds: float = 0.0
    synchronising: int = 0
    _started: float = 0.0
    _caught: Any = field(default=None, repr=False)

    def step_ends(self, step: int, device: torch.device) -> None:
        """Call this after step 1, 2, ..."""
        if step == self.plan.warmup:
            _synchronise(device)
            self._caught = warnings.catch_warnings(record=True)
            self._log = self._caught.__enter__()
            warnings.simplefilter("always")
            _watch(device, "warn")
            self._started = time.perf_counter()
        if step == self.plan.warmup + self.plan.steps:
            _watch(device, "default")
            _synchronise(device)
            self.seconds = time.perf_counter() - self._started
            self._caught.__exit__(None, None, None)
            self.synchronising = sum("synchronizing" in str(w.message) for w in self._log)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Called by Lightning."""
        self.step_ends(trainer.global_step, module.device)


def measure(profile: Profile, plan: Plan, networks: dict[str, dict[str, object]] = NETWORKS) -> pd.DataFrame:
    """One row per network and method: images per second of the loop and of the ceiling, their ratio, memory in GiB."""
    device = torch.device(profile.device)
    side = round(profile.input_size * SOURCE_MARGIN)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (plan.images, side, side), np.uint8))
    rows = []
    for (network, shape), method in product(networks.items(), METHODS):
        own = profile.model_copy(update=shape)
        loops: dict[str, Callable[[], Clock]] = {
            "ours": lambda own=own, method=method: _ours(own, method, images, plan),
            "ceiling": lambda own=own, method=method: _ceiling(own, method, images, plan),
        }
        found: dict[str, list[float]] = {name: [] for name in loops}
        memory, syncs = {}, 0
        for _ in range(plan.rounds):
            for name, loop in loops.items():
                _forget(device)
                clock = loop()
                found[name].append(plan.steps * profile.batch_size / clock.seconds)
                memory[name] = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else float("nan")
                syncs = clock.synchronising if name == "ours" else syncs
        ratios = [a / b for a, b in zip(found["ours"], found["ceiling"], strict=True)]
        row = {"network": network, "method": method, "input_size": profile.input_size, "batch_size": profile.batch_size}
        row |= {"compiled": plan.compiled, "precision": precision_of(device), "rounds": plan.rounds}
        row |= {f"images_per_second_{k}": v for k, v in spread(found["ours"]).items()}
        row |= {"ceiling_median": float(np.median(found["ceiling"]))}
        row |= {f"of_ceiling_{k}": v for k, v in spread(ratios).items()}
        row |= {"syncs_a_step": syncs / plan.steps, "peak_gib": memory["ours"], "peak_gib_ceiling": memory["ceiling"]}
        print(f"{network} {method}: {row['images_per_second_median']:.0f} images/s", flush=True)
        rows.append(row)
    return pd.DataFrame(rows)


def _ours(profile: Profile, method: str, images: torch.Tensor, plan: Plan) -> Clock:
    module, clock = _module(profile, method, images, plan), Clock(plan)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        trainer = pl.Trainer(
            accelerator="gpu" if profile.device == "cuda" else "cpu",
            devices=1,
            precision=precision_of(torch.device(profile.device)),
            max_steps=plan.warmup + plan.steps,
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            reload_dataloaders_every_n_epochs=1,
        )
        trainer.fit(module)
    return clock


def _ceiling(profile: Profile, method: str, images: torch.Tensor, plan: Plan) -> Clock:
    """Forward, backward, optimiser and target on two fixed views: the limit of the network itself."""
    device = torch.device(profile.device)
    module, clock = _module(profile, method, images, plan).to(device), Clock(plan)
    shape, bf16 = (profile.batch_size, 1, profile.input_size, profile.input_size), precision_of(device) == "bf16-mixed"
    first, second = (torch.rand(shape, device=device).contiguous(memory_format=torch.channels_last) for _ in range(2))
    labels = torch.full((profile.batch_size,), -1, device=device)
    network, optimizer = module.method.train(), module.configure_optimizers()["optimizer"]
    for step in range(1, plan.warmup + plan.steps + 1):
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss = network.loss(network(first, second), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        network.after_step(0.5)
        clock.step_ends(step, device)
    return clock


def _module(profile: Profile, method: str, images: torch.Tensor, plan: Plan) -> Pretraining:
    torch.manual_seed(0)
    labels = np.full(len(images), -1)
    network = make_method(Run(method, method, 1, 0, images.numpy(), labels), profile).to(
        memory_format=torch.channels_last
    )  # type: ignore[call-overload]
    if plan.compiled:
        network.compile()
    epochs = -(-(plan.warmup + plan.steps) // max(len(images) // profile.batch_size, 1))
    return Pretraining(
        network, images, torch.from_numpy(labels), profile, plan_batches(profile, len(images), 1), epochs, 0, method
    )


def measure_lightly(profile: Profile, plan: Plan, workers: int) -> pd.DataFrame:
    """One row: lightly's SimCLR on torchvision's ResNet-50 with its transform in a DataLoader."""
    import torchvision
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms import SimCLRTransform
    from PIL import Image

    device, input_size = torch.device(profile.device), profile.input_size
    rng, transform = np.random.default_rng(0), SimCLRTransform(input_size=input_size)
    side = round(input_size * SOURCE_MARGIN)
    held = [Image.fromarray(rng.integers(0, 256, (side, side), np.uint8)).convert("RGB") for _ in range(256)]

    class Endless(torch.utils.data.IterableDataset):
        """Two views of one image after another."""

        def __iter__(self) -> Iterator[list[torch.Tensor]]:
            while True:
                for image in held:
                    yield transform(image)

    backbone = torchvision.models.resnet50()
    backbone.fc = torch.nn.Identity()
    network = torch.nn.Sequential(backbone, SimCLRProjectionHead(2048, 2048, 128))
    network = network.to(device, memory_format=torch.channels_last)
    contrast, clock = NTXentLoss(method_settings(profile, "simclr").temperature), Clock(plan)
    optimizer = torch.optim.AdamW(network.parameters(), lr=method_settings(profile, "simclr").learning_rate)
    batches = torch.utils.data.DataLoader(
        Endless(), profile.batch_size, num_workers=workers, pin_memory=device.type == "cuda"
    )
    _forget(device)
    for step, (first, second) in enumerate(batches, start=1):
        views = torch.cat([first, second]).to(device, non_blocking=True, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision_of(device) == "bf16-mixed"):
            a, b = network(views).chunk(2)
        loss = contrast(a.float(), b.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        clock.step_ends(step, device)
        if clock.seconds:
            break
    speed = plan.steps * profile.batch_size / clock.seconds
    row = {
        "network": "resnet50",
        "method": f"lightly's simclr, {workers} workers",
        "input_size": input_size,
        "batch_size": profile.batch_size,
    }
    memory = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else float("nan")
    return pd.DataFrame([row | {"images_per_second_median": speed, "peak_gib": memory}])


def lacking() -> list[str]:
    """The packages for lightly's loop that this Python cannot import, and why."""
    found = []
    for name in ("lightly", "torchvision"):
        try:
            import_module(name)
        except ImportError as error:
            found.append(f"{name} ({error})")
    return found


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _watch(device: torch.device, mode: str) -> None:
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode(mode)


def _forget(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def main() -> None:
    """Measure, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--input-size", type=int, default=224)
    parser.add_argument("--width", type=int, default=64, help="channels of the first stage")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--images", type=int, default=16_384)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="compile the network and the loss")
    parser.add_argument("--workers", type=int, default=16, help="workers of lightly's DataLoader")
    args = parser.parse_args()
    settings = {
        "device": args.device,
        "input_size": args.input_size,
        "batch_size": args.batch_size,
        "width": args.width,
    }
    profile = shipped_settings().profiles["paper"].model_copy(update=settings)
    plan = Plan(args.images, args.warmup, args.steps, args.rounds, args.compile)
    table = measure(profile, plan)
    if lacking():
        print(f"lightly's loop is left out: {', '.join(lacking())}")
    else:
        peer = measure_lightly(profile, plan, args.workers)
        ours = table.query("network == 'resnet50' and method == 'simclr'")["images_per_second_median"].item()
        print(f"ResNet-50 SimCLR: {ours / peer['images_per_second_median'].item():.1f} times lightly's loop")
        table = pd.concat([table, peer], ignore_index=True)
    save(table, "pretraining_gpu" + ("_compiled" if args.compile else ""), args.out, args.device)
    for row in table.dropna(subset="of_ceiling_median").itertuples():
        met = "met" if row.of_ceiling_median >= GOAL else "missed"
        print(f"{row.network} {row.method}: {row.of_ceiling_median:.0%} of the ceiling; goal {GOAL:.0%}: {met}")


if __name__ == "__main__":
    main()
