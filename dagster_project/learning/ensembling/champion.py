"""The promoted model, ready to predict."""

from __future__ import annotations

from dagster_project.core.atomic_io import read_json
from dagster_project.intake.root import Root
from dagster_project.learning.ensembling.champion_store import champion_folder
from dagster_project.learning.ensembling.model import Model, load_model, refuse_other_regions


def load_champion(root: Root) -> Model:
    """The promoted model. Raises RayTruthError if there is none, or its region classes are not those of the root."""
    model = load_model(champion_folder(root.paths))
    refuse_champion_of_other_regions(root)
    return model


def refuse_champion_of_other_regions(root: Root) -> None:
    """Raise RayTruthError if there is a champion with other region classes than the root."""
    if root.paths.champion.exists():
        refuse_other_regions(
            tuple(read_json(root.paths.champion)["regions"]),
            root,
            where=root.paths.place(root.paths.champion),
            do="go back to the regions file it was trained with, or remove models/champion.json and train again",
        )
