"""A random sample of the labelled images outside the worklist, as cards for the review page."""

from __future__ import annotations

import hashlib
import logging

import numpy as np

from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import current_verdicts, load_verdicts
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.label_quality.label_errors.find import load_label_errors
from dagster_project.label_quality.review.acceptance_sampling import Draw
from dagster_project.label_quality.review.cards import Worklist, load_worklist, read_cards
from dagster_project.label_quality.review.worklist import cards_of, write_cards
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.pretraining.methods_on import similarity_encoder

log = logging.getLogger("raytruth")
_SHOWN = ("image_id", "batch", "given_region", "provenance", "comparison")  # no model output: it would bias reviewers


def draw_sample(root: Root, size: int, seed: int) -> Worklist:
    """Write `data/reports/random_sample/` and return it: `size` cards, or all there are, in random order.

    The population are the labelled images without a card in the worklist that nobody has reviewed. Raises
    RayTruthError if it is empty, or there is no worklist or ranked list.
    """
    paths = root.paths
    ranked, listed = load_label_errors(paths), load_worklist(paths).cards
    reviewed = set(current_verdicts(load_verdicts(paths))["image_id"])
    labelled = ranked["given_region"].fillna("") != ""
    apart = ranked[labelled & ~ranked["image_id"].isin(reviewed | set(listed))].sort_values("image_id")
    if apart.empty:
        raise RayTruthError(
            "There is no image to draw: every labelled image is in the worklist or was reviewed",
            where=paths.place(paths.label_errors),
            do="review the worklist: `raytruth review`",
        )
    digest = hashlib.sha256("\n".join(apart["image_id"]).encode()).hexdigest()[:12]
    places = np.random.default_rng(seed).choice(len(apart), min(size, len(apart)), replace=False)
    draw = Draw(seed, len(places), len(apart), digest)
    table = load_training_set(paths)
    embeddings = load_embeddings(paths, similarity_encoder(root.settings), len(table))
    cards = cards_of(apart.iloc[places].assign(proposed_region=""), table, embeddings)
    blind = [
        {**{name: card[name] for name in _SHOWN}, "kind": "random_sample", "rank": number, "proposed_region": ""}
        for number, card in enumerate(cards, 1)
    ]
    write_cards(root, paths.random_sample, table, blind, sample=draw.mark)
    log.info("random sample: %d of %d images", draw.drawn, draw.population)
    return read_cards(paths.random_sample)
