"""Which pretraining methods and plugged-in encoders a root's params.yaml turns on, and the methods' settings."""

from __future__ import annotations

from difflib import get_close_matches

from dagster_project.core.settings.problems import problems_of
from dagster_project.core.settings.settings import Profile, Settings, unusable_settings
from dagster_project.learning.encoders.plugged_in_on import plugged_in_on
from dagster_project.learning.pretraining.methods import CROSSFIT, METHODS, Method, MethodSettings

ALL = METHODS | {CROSSFIT.name: CROSSFIT}


def methods_on(settings: Settings) -> tuple[Method, ...]:
    """The methods that `pretraining.methods` names, in the registry's order. Raises RayTruthError for unknown ones."""
    found = _unknown_methods(settings)
    if found:
        raise unusable_settings(found, "params.yaml")
    return tuple(method for method in METHODS.values() if method.name in settings.pretraining.methods)


def trained_methods(settings: Settings) -> tuple[Method, ...]:
    """The methods that are on, if the profile in use trains encoders; otherwise none."""
    return methods_on(settings) if settings.learning.trains else ()


def encoders_on(settings: Settings) -> tuple[str, ...]:
    """The encoders of these methods, and plugged-in ones. They are evaluated, and may be members of the ensemble."""
    return (*(method.encoder for method in trained_methods(settings)), *plugged_in_on(settings))


def self_supervised_on(settings: Settings) -> tuple[str, ...]:
    """The encoders that have seen no label of this root: of methods that see none, and plugged-in ones."""
    trained = (method.encoder for method in trained_methods(settings) if not method.sees_labels)
    return (*trained, *plugged_in_on(settings))


def reference_encoder(settings: Settings) -> str:
    """The encoder that other encoders start from if labels are few.

    Raises RayTruthError if it does not belong to a method that is on and sees no label.
    """
    found = _unfit_reference(settings)
    if found:
        raise unusable_settings(found, "params.yaml")
    return settings.pretraining.reference_encoder


def similarity_encoder(settings: Settings) -> str:
    """The encoder that decides which images are similar: the first plugged-in one, or else the reference encoder."""
    plugged_in = plugged_in_on(settings)
    return plugged_in[0] if plugged_in else reference_encoder(settings)


def method_settings(profile: Profile, name: str) -> MethodSettings:
    """A method's settings in a profile. Raises RayTruthError if they are missing or unusable, or the method unknown."""
    found = _problems(profile, name)
    if found:
        raise unusable_settings(found, "params.yaml")
    return ALL[name].settings.model_validate(profile.methods[name])


def check_methods(settings: Settings) -> None:
    """Raise RayTruthError, naming every key, if params.yaml has unusable settings of pretraining methods.

    Each profile must hold the settings of every method that is on, or of none. Then plugged-in encoders are needed.
    """
    found = _unknown_methods(settings) or _unfit_reference(settings)
    if not settings.learning.trains and not settings.pretraining.plugged_in:
        found.append(f"profile: {settings.profile} trains no encoder; name one in pretraining.plugged_in")
    needed = [name for name in ALL if name in (*settings.pretraining.methods, CROSSFIT.name)]
    for name, profile in settings.profiles.items():
        for method in dict.fromkeys([*profile.methods, *needed]) if profile.trains else ():
            found += [f"profiles.{name}.{problem}" for problem in _problems(profile, method)]
    if found:
        raise unusable_settings(found, "params.yaml")


def _unknown_methods(settings: Settings) -> list[str]:
    on = settings.pretraining.methods
    return [_unknown(f"pretraining.methods: {name}", name, list(METHODS)) for name in on if name not in METHODS]


def _unfit_reference(settings: Settings) -> list[str]:
    fit = [method.encoder for method in methods_on(settings) if not method.sees_labels]
    if settings.pretraining.reference_encoder in fit:
        return []
    return [
        "pretraining.reference_encoder: must belong to a method that is on and sees no label: "
        + (", ".join(fit) or "there is none")
    ]


def _problems(profile: Profile, name: str) -> list[str]:
    if name not in ALL:
        return [_unknown(f"methods.{name}", name, list(ALL))]
    if name not in profile.methods:
        return [f"methods.{name}: missing"]
    return problems_of(ALL[name].settings, profile.methods[name], above=f"methods.{name}")


def _unknown(key: str, name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"{key}: unknown method" + (f"; did you mean {near[0]}?" if near else f"; known methods: {', '.join(known)}")
