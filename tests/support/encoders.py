"""The encoders of the settings that come along, by name; without plugged-in ones, as in `small_root`."""

from __future__ import annotations

from dagster_project.cli.init import template
from dagster_project.core.settings.settings import Profile, load_settings
from dagster_project.label_quality.label_errors import out_of_fold
from dagster_project.learning.pretraining import methods_on
from dagster_project.learning.pretraining.methods import CROSSFIT as CROSSFIT_METHOD

_SHIPPED = load_settings(template("params.yaml"))
_SETTINGS = _SHIPPED.model_copy(update={"pretraining": _SHIPPED.pretraining.model_copy(update={"plugged_in": ()})})
ON = tuple(method.name for method in methods_on.methods_on(_SETTINGS))
ENCODERS = methods_on.encoders_on(_SETTINGS)
SELF_SUPERVISED = methods_on.self_supervised_on(_SETTINGS)
REFERENCE = methods_on.reference_encoder(_SETTINGS)
CROSSFIT = CROSSFIT_METHOD.encoder
OOF_MODELS = out_of_fold.oof_models(_SETTINGS)


def with_method(profile: Profile, name: str, **changes: object) -> Profile:
    """The profile with some settings of a method changed."""
    return profile.model_copy(update={"methods": profile.methods | {name: profile.methods[name] | changes}})
