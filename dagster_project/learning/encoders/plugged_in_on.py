"""Which encoders from elsewhere a root's params.yaml names."""

from __future__ import annotations

from dagster_project.core.settings.settings import Settings, unusable_settings


def plugged_in_on(settings: Settings) -> tuple[str, ...]:
    """The encoders that `pretraining.plugged_in` names. Raises RayTruthError if a name stands there twice."""
    names = settings.pretraining.plugged_in
    if len(set(names)) < len(names):
        raise unusable_settings(["pretraining.plugged_in: a name stands there twice"], "params.yaml")
    return tuple(f"plugged_in/{name}" for name in names)
