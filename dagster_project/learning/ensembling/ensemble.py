"""The challenger: calibrated probes on one and on all encoders, chosen on validation, evaluated once on test."""

from __future__ import annotations

import logging
from importlib.metadata import version

import numpy as np

from dagster_project.core.atomic_io import content_hash, replacing_dir, write_text
from dagster_project.intake.root import Root
from dagster_project.learning.encoders.encoder import Encoder, open_encoder
from dagster_project.learning.ensembling.candidates import fit_candidate, mixture
from dagster_project.learning.ensembling.concatenate_embeddings import concatenate_embeddings, joint_probes
from dagster_project.learning.ensembling.drift_reference import reference_rows, save_reference
from dagster_project.learning.ensembling.label_efficiency import evaluate_together
from dagster_project.learning.ensembling.model import Member, Model, save_model
from dagster_project.learning.ensembling.model_card import model_card
from dagster_project.learning.ensembling.out_of_domain import OutOfDomain, fit_out_of_domain
from dagster_project.learning.ensembling.selection import select_members
from dagster_project.learning.ensembling.test_evaluation import EnsembleSummary, evaluate_on_test, report
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.evaluation.labelled import LabelledSet, load_labelled_set
from dagster_project.learning.pretraining.methods_on import encoders_on, similarity_encoder

log = logging.getLogger("raytruth")


def build_ensemble(root: Root) -> EnsembleSummary:
    """Choose and calibrate the members on validation, evaluate them once on test, write `models/ensemble/`."""
    data = load_labelled_set(root)
    encoders = encoders_on(root.settings)
    embeddings = {encoder: load_embeddings(root.paths, encoder, len(data.table)) for encoder in encoders}
    over: dict[str, tuple[str, ...]] = {encoder: (encoder,) for encoder in encoders}
    over |= {name: among for name, among in joint_probes(root.settings).items() if name == "joint_probe"}
    inputs = {name: concatenate_embeddings(embeddings, among) for name, among in over.items()}
    candidates = {name: fit_candidate(x, data, data.train, root.settings) for name, x in inputs.items()}
    weights = select_members(
        {name: c.probabilities(data.validation) for name, c in candidates.items()},
        data.labels[data.validation],
        most=root.settings.ensembling.max_members,
        min_gain=root.settings.ensembling.min_gain,
    )
    log.info("ensemble: %s", ", ".join(f"{weight:.2f} {name}" for name, weight in weights.items()))
    order = sorted(weights, key=lambda name: -weights[name])
    members = tuple(Member(n, over[n], candidates[n].head, candidates[n].temperature, weights[n]) for n in order)
    ood_encoder = similarity_encoder(root.settings)
    held_out = mixture({name: candidates[name].probabilities(data.validation) for name in weights}, weights)
    out_of_domain = _fit_out_of_domain(embeddings[ood_encoder], held_out, data)
    opened = _open(root, [*(name for member in members for name in member.encoders), ood_encoder])
    size = root.settings.ingestion.image_size
    model = Model(data.regions, opened, members, out_of_domain, ood_encoder, size)
    fractions, predictions = evaluate_together(embeddings, data, root.settings)
    summary, evaluated = evaluate_on_test(candidates, weights, data, root.settings, fractions)
    with replacing_dir(root.paths.ensemble) as folder:
        card = {
            "training_set": content_hash(root.paths.training_set),
            "training_images": len(data.train),
            "encoders": {name: encoder.fingerprint for name, encoder in model.encoders.items()},
            "test": summary.test,
            "code_version": version("raytruth"),
        }
        save_model(folder, model, card)
        write_text(folder / "README.md", model_card(root, data, model, summary))
        rows = reference_rows(data)
        probabilities = mixture({name: candidates[name].probabilities(rows) for name in weights}, weights)
        save_reference(folder, root.paths, data, rows, probabilities, inputs[order[0]][rows])
    report(root.paths, summary, data, evaluated, predictions)
    return summary


def _fit_out_of_domain(embeddings: np.ndarray, probabilities: np.ndarray, data: LabelledSet) -> OutOfDomain:
    """From embeddings (N, D) of the training set, and the ensemble's probabilities (V, K) on validation."""
    return fit_out_of_domain(
        embeddings[data.train],
        data.labels[data.train],
        data.patients(data.train),
        (embeddings[data.validation], probabilities),
    )


def _open(root: Root, names: list[str]) -> dict[str, Encoder]:
    """The named encoders, each once."""
    return {name: open_encoder(root, name) for name in dict.fromkeys(names)}
