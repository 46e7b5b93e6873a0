"""The peers of the comparison: histograms of gradients, a supervised network, SimCLR with MONAI.

Like the pipeline, each peer learns from the training split with its given labels; none reads the truth. All use the
same draws of few labels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from skimage.feature import hog
from torch import nn
from torch.nn import functional as F

from benchmarks.learning.plain_pipeline import pretrain_plainly
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images
from dagster_project.learning.encoders.backbone import embedding_size, make_backbone
from dagster_project.learning.encoders.device import bf16_pays, device_of
from dagster_project.learning.encoders.embed import embed
from dagster_project.learning.encoders.test_time_augmentation import larger_view_size
from dagster_project.learning.evaluation.labelled import LabelledSet, draw_fraction
from dagster_project.learning.evaluation.linear_evaluation import prediction_table, probe
from dagster_project.learning.pretraining.augmentation import random_view
from dagster_project.learning.pretraining.methods_on import method_settings
from dagster_project.learning.pretraining.plan import SOURCE_MARGIN

LEAST_STEPS = 150  # with very few labels an epoch has one step, which is too little to learn


def of_hog(root: Root, data: LabelledSet) -> pd.DataFrame:
    """Logistic regression on histograms of oriented gradients. Dalal & Triggs 2005, doi 10.1109/CVPR.2005.177."""
    images = gather_images(root.paths, data.table, root.settings.learning.input_size)
    cell = (root.settings.learning.input_size // 8,) * 2
    features = [hog(p, orientations=9, pixels_per_cell=cell, cells_per_block=(2, 2)) for p in images]
    return _probed("hog", np.array(features, dtype=np.float32), data, root.settings)


def of_monai(root: Root, data: LabelledSet) -> pd.DataFrame:
    """Linear probe of the profile's network after SimCLR with MONAI's transforms and loss, for SimCLR's epochs."""
    profile = root.settings.learning
    rows = data.table[(data.table["split"] == "train") & (data.table["exclusion"] == "")]
    seen = gather_images(root.paths, rows, round(profile.input_size * SOURCE_MARGIN))
    backbone = pretrain_plainly(
        seen,
        profile,
        method_settings(profile, "simclr").epochs,
        root.settings.seed,
        "monai",
        tuned=_bf16(root.settings),
    )
    embeddings = embed(backbone, gather_images(root.paths, data.table, larger_view_size(profile)), profile)
    return _probed("monai_simclr", embeddings, data, root.settings)


def of_supervised(root: Root, data: LabelledSet) -> pd.DataFrame:
    """The profile's network trained from scratch on the labels that the probes get, for SupCon's epochs."""
    images = gather_images(root.paths, data.table, round(root.settings.learning.input_size * SOURCE_MARGIN))
    test = gather_images(root.paths, data.table.iloc[data.test], root.settings.learning.input_size)
    tables = []
    for fraction in root.settings.evaluation.fractions:
        for repeat in range(root.settings.evaluation.repeats if fraction < 1 else 1):
            rows = data.train[draw_fraction(data.labels[data.train], fraction, root.settings.seed + repeat)]
            backbone, head = taught(images[rows], data.labels[rows], len(data.regions), root.settings)
            with torch.inference_mode():
                logits = head(torch.from_numpy(embed(backbone, test, root.settings.learning)))
            tables.append(prediction_table("supervised", data, fraction, repeat, softmax(logits.numpy(), axis=1)))
    return pd.concat(tables, ignore_index=True)


def _probed(model: str, embeddings: np.ndarray, data: LabelledSet, settings: Settings) -> pd.DataFrame:
    found = [p for fraction in settings.evaluation.fractions for p in probe(embeddings, data, fraction, settings)]
    return pd.concat(
        [prediction_table(model, data, p.fraction, p.repeat, p.probabilities) for p in found], ignore_index=True
    )


def taught(images: np.ndarray, labels: np.ndarray, classes: int, settings: Settings) -> tuple[nn.Module, nn.Linear]:
    """Backbone and head, on the CPU, trained by cross entropy on random views, AdamW and cosine decay, like SimCLR."""
    profile, device = settings.learning, device_of(settings.learning)
    torch.manual_seed(settings.seed)
    backbone, head = make_backbone(profile), nn.Linear(embedding_size(profile), classes)
    network = nn.Sequential(backbone, head).to(device, memory_format=torch.channels_last)
    held, wanted = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)
    size = min(profile.batch_size, len(held))
    steps = max(method_settings(profile, "supcon").epochs * (len(held) // size), LEAST_STEPS)
    generator = torch.Generator(device).manual_seed(settings.seed)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=method_settings(profile, "supcon").learning_rate, weight_decay=profile.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    order = torch.empty(0, dtype=torch.long, device=device)
    for _ in range(steps):
        if len(order) < size:
            order = torch.randperm(len(held), generator=generator, device=device)
        rows, order = order[:size], order[size:]
        view = random_view(held[rows], profile.input_size, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=_bf16(settings)):
            logits = network(view)
        loss = F.cross_entropy(logits.float(), wanted[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return backbone.eval(), head.cpu().eval()


def _bf16(settings: Settings) -> bool:
    return bf16_pays(device_of(settings.learning))
