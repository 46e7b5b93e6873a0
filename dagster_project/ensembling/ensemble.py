"""The challenger: one calibrated probe an encoder, members chosen on validation, scored once on the test split."""

from __future__ import annotations

import logging
from importlib.metadata import version

import numpy as np

from dagster_project.ensembling.candidates import Candidate, fit_candidate, mixture
from dagster_project.ensembling.fractions import evaluate_means
from dagster_project.ensembling.model import Member, Model, save_model
from dagster_project.ensembling.model_card import model_card
from dagster_project.ensembling.reference import reference_rows, save_reference
from dagster_project.ensembling.score import EnsembleSummary, report, score
from dagster_project.ensembling.selection import select_members
from dagster_project.ensembling.unusual import fit_usual
from dagster_project.evaluation.embeddings import load_embeddings
from dagster_project.evaluation.labelled import LabelledSet, load_labelled_set
from dagster_project.files import content_hash, replacing_dir, write_text
from dagster_project.layout import ENCODERS, Layout
from dagster_project.params import Params
from dagster_project.pretraining.backbone import load_backbone

log = logging.getLogger("raytruth")


def build_ensemble(layout: Layout, params: Params) -> EnsembleSummary:
    """Choose and calibrate the members on validation, score them once on test, write `models/ensemble/`."""
    data = load_labelled_set(layout, params)
    embeddings = {encoder: load_embeddings(layout, encoder, len(data.table)) for encoder in ENCODERS}
    candidates = {encoder: fit_candidate(x, data, data.train, params) for encoder, x in embeddings.items()}
    shares = select_members(
        {encoder: c.probabilities(data.validation) for encoder, c in candidates.items()},
        data.labels[data.validation],
        most=params.ensembling.max_members,
        min_gain=params.ensembling.min_gain,
    )
    log.info("ensemble: %s", ", ".join(f"{share:.2f} {encoder}" for encoder, share in shares.items()))
    model = _model(layout, params, data, candidates, shares, embeddings)
    fractions, predictions = evaluate_means(embeddings, data, params)
    summary, scored = score(candidates, shares, data, params, fractions)
    with replacing_dir(layout.ensemble) as folder:
        card = {
            "training_set": content_hash(layout.training_set),
            "training_pictures": len(data.train),
            "test": summary.test,
            "code_version": version("raytruth"),
        }
        save_model(folder, model, card)
        write_text(folder / "README.md", model_card(layout, params, data, model, summary))
        rows = reference_rows(data)
        probabilities = mixture({encoder: candidates[encoder].probabilities(rows) for encoder in shares}, shares)
        save_reference(folder, layout, data, rows, probabilities, embeddings[model.members[0].encoder][rows])
    report(layout, summary, data, scored, predictions)
    return summary


def _model(
    layout: Layout,
    params: Params,
    data: LabelledSet,
    candidates: dict[str, Candidate],
    shares: dict[str, float],
    embeddings: dict[str, np.ndarray],
) -> Model:
    order = sorted(shares, key=lambda encoder: -shares[encoder])
    members = tuple(
        Member(
            encoder,
            load_backbone(layout.encoder(encoder) / "weights.safetensors", params.learning),
            candidates[encoder].head,
            candidates[encoder].temperature,
            shares[encoder],
        )
        for encoder in order
    )
    main = embeddings[order[0]]
    usual = fit_usual(main[data.train], data.labels[data.train], main[data.validation])
    return Model(data.regions, params.learning, members, usual)
