"""One entry of the registry is a method: its settings are checked, and all that lists encoders follows."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from support.encoders import REFERENCE, with_method

from dagster_project.cli.init import template
from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Profile, Settings, load_settings
from dagster_project.label_quality.label_errors.out_of_fold import oof_models
from dagster_project.learning.ensembling.assets import ensemble_asset
from dagster_project.learning.evaluation.assets import evaluation_asset
from dagster_project.learning.pretraining.assets import encoder_assets
from dagster_project.learning.pretraining.methods import CROSSFIT, METHODS
from dagster_project.learning.pretraining.methods_on import (
    ALL,
    check_methods,
    encoders_on,
    method_settings,
    methods_on,
    reference_encoder,
    self_supervised_on,
)
from dagster_project.pipeline import stages

OWN = yaml.safe_load(template("params.yaml").read_text(encoding="utf-8"))
STAGES = yaml.safe_load(template("dvc.yaml").read_text(encoding="utf-8"))["stages"]
SETTINGS = load_settings(template("params.yaml"))


def with_pretraining(**changes: object) -> Settings:
    """The settings without plugged-in encoders, changed."""
    section = SETTINGS.pretraining.model_copy(update={"plugged_in": (), **changes})
    return SETTINGS.model_copy(update={"pretraining": section})


def refusal(change: dict[str, Any], profile: str = "quick") -> str:
    """What is said of the settings that come along with the methods of one profile updated; None takes a key away."""
    values = copy.deepcopy(OWN)
    for method, settings in change.items():
        own = values["profiles"][profile]["methods"]
        own[method] = {k: v for k, v in {**own.get(method, {}), **(settings or {})}.items() if v is not None}
        if settings is None:
            del own[method]
    with pytest.raises(RayTruthError) as error:
        check_methods(Settings.model_validate(values))
    return str(error.value)


def test_the_settings_that_come_along_can_be_used_and_hold_every_method() -> None:
    check_methods(SETTINGS)
    for name, profile in SETTINGS.profiles.items():
        assert set(profile.methods) == (set() if name == "frozen" else set(ALL))


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_every_setting_of_a_method_must_be_there(method: str, profile: str) -> None:
    for key in OWN["profiles"][profile]["methods"][method]:
        said = refusal({method: {key: None}}, profile)
        assert f"profiles.{profile}.methods.{method}.{key}: missing" in said


def test_unknown_keys_and_methods_are_errors_that_name_the_nearest() -> None:
    said = refusal({"byol": {"momentun": 0.9}, "simclrr": {"epochs": 1}})
    assert "profiles.quick.methods.byol.momentun: unknown key; did you mean momentum?" in said
    assert "profiles.quick.methods.simclrr: unknown method; did you mean simclr?" in said


@pytest.mark.parametrize(
    ("method", "key", "value"),
    [("simclr", "temperature", 0), ("byol", "momentum", 1), ("supcon", "epochs", 0), ("crossfit", "learning_rate", 0)],
)
def test_an_impossible_value_is_an_error_that_names_its_key(method: str, key: str, value: float) -> None:
    assert f"profiles.quick.methods.{method}.{key}: " in refusal({method: {key: value}})


def test_a_method_that_is_on_needs_settings_in_every_profile_and_one_that_is_off_in_none() -> None:
    assert "profiles.paper.methods.byol: missing" in refusal({"byol": None}, "paper")
    assert "profiles.paper.methods.crossfit: missing" in refusal({"crossfit": None}, "paper")
    values = copy.deepcopy(OWN)
    values["pretraining"]["methods"] = ["simclr", "supcon"]
    for profile in ("quick", "paper"):
        del values["profiles"][profile]["methods"]["byol"]
    check_methods(Settings.model_validate(values))


def test_a_profile_without_methods_trains_nothing_and_needs_an_encoder_from_elsewhere() -> None:
    values = copy.deepcopy(OWN) | {"profile": "frozen"}
    frozen = Settings.model_validate(values)
    check_methods(frozen)
    assert encoders_on(frozen) == self_supervised_on(frozen) == ("plugged_in/imagenet",)
    assert oof_models(frozen) == ("plugged_in/imagenet", "one_scale", "neighbours")
    assert methods_on(frozen) == methods_on(SETTINGS)  # Dagster and DVC know the same encoders in each profile
    values["pretraining"]["plugged_in"] = []
    with pytest.raises(RayTruthError, match="frozen trains no encoder; name one in pretraining"):
        check_methods(Settings.model_validate(values))


def test_only_known_methods_can_be_on_and_only_an_encoder_without_labels_is_the_reference() -> None:
    with pytest.raises(RayTruthError, match=r"pretraining.methods: suppcon: unknown method; did you mean supcon\?"):
        methods_on(with_pretraining(methods=("simclr", "suppcon")))
    with pytest.raises(RayTruthError, match="crossfit: unknown method"):
        methods_on(with_pretraining(methods=("simclr", "crossfit")))
    for wrong in ("encoder_supcon", "simclr", "encoder_supcon_crossfit"):
        with pytest.raises(RayTruthError, match="sees no label: encoder_simclr, encoder_byol"):
            reference_encoder(with_pretraining(reference_encoder=wrong))
    with pytest.raises(RayTruthError, match="there is none"):
        check_methods(with_pretraining(methods=("supcon",)))
    assert reference_encoder(with_pretraining(reference_encoder="encoder_byol")) == "encoder_byol"


def test_a_method_s_settings_come_from_its_profile() -> None:
    profile = with_method(SETTINGS.learning, "simclr", temperature=0.7)
    assert method_settings(profile, "simclr").model_dump()["temperature"] == 0.7
    with pytest.raises(RayTruthError, match=r"methods\.simclr\.temperature"):
        method_settings(with_method(SETTINGS.learning, "simclr", temperature=-1), "simclr")


def test_names_are_told_apart_and_no_setting_of_a_method_hides_one_of_the_profile() -> None:
    assert len({method.encoder for method in ALL.values()}) == len(ALL)
    for method in ALL.values():
        assert len(method.about) > 40
        assert not set(method.settings.model_fields) & {*Profile.model_fields, "seed", "method"}


def names_of(asset: dg.AssetsDefinition) -> set[str]:
    return {key.to_user_string() for key in asset.keys}


def sources_of(asset: dg.AssetsDefinition) -> set[str]:
    return {key.to_user_string() for key in asset.dependency_keys}


@pytest.mark.parametrize("off", [None, *(m.name for m in METHODS.values() if m.encoder != REFERENCE)])
def test_encoders_assets_judges_and_pipeline_follow_the_methods_that_are_on(off: str | None) -> None:
    settings = with_pretraining(methods=tuple(name for name in METHODS if name != off))
    encoders = encoders_on(settings)
    assert encoders == tuple(method.encoder for method in METHODS.values() if method.name != off)
    assert encoders_on(with_pretraining(methods=("simclr",), plugged_in=("x",))) == ("encoder_simclr", "plugged_in/x")
    assert names_of(encoder_assets(settings)) == {*encoders, CROSSFIT.encoder}
    for asset in (evaluation_asset(settings), ensemble_asset(settings)):
        assert {name for name in sources_of(asset) if name.startswith("encoder_")} == set(encoders)
    assert [stage.name for stage in stages(settings) if stage.name.startswith("encoder_")] == [
        *encoders,
        CROSSFIT.encoder,
    ]
    assert set(oof_models(settings)) >= {*self_supervised_on(settings), CROSSFIT.encoder}
    assert not {m.encoder for m in METHODS.values() if m.sees_labels} & set(oof_models(settings))


def test_dvc_yaml_has_the_stages_of_the_methods_that_are_on() -> None:
    trained = {*methods_on(SETTINGS), CROSSFIT}
    assert {name for name in STAGES if name.startswith("encoder_")} == {method.encoder for method in trained}
    reference = "models/${pretraining.reference_encoder}"
    for method in trained:
        stage = STAGES[method.encoder]
        assert stage["cmd"] == f"raytruth pretrain {method.name}"
        (out,) = stage["outs"]
        assert (out if isinstance(out, str) else next(iter(out))) == f"models/{method.encoder}"
        assert {"seed", "profile", "profiles.${profile}"} <= set(stage["params"])
        assert ({"${regions}", reference} <= set(stage["deps"])) is method.sees_labels
        assert ("pretraining.reference_encoder" in stage["params"]) is method.sees_labels
    for name in ("linear_evaluation", "ensemble"):
        deps = {dep.removeprefix("models/") for dep in STAGES[name]["deps"] if dep.startswith("models/encoder_")}
        assert deps == {method.encoder for method in methods_on(SETTINGS)}
        assert {"pretraining.methods", "pretraining.plugged_in"} <= set(STAGES[name]["params"])
        assert "models/plugged_in" in STAGES[name]["deps"]
    assert f"models/{CROSSFIT.encoder}" in STAGES["label_errors"]["deps"]


def test_a_command_refuses_settings_of_a_method_that_cannot_be_used(tmp_path: Path) -> None:
    values = copy.deepcopy(OWN) | {"regions": "regions.yaml"}
    values["profiles"]["quick"]["methods"]["simclr"]["epoch"] = 3
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    command = [
        sys.executable,
        "-c",
        "from dagster_project.cli.main import main; main()",
        "--root",
        str(tmp_path),
        "evaluate",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "profiles.quick.methods.simclr.epoch: unknown key; did you mean epochs?" in done.stderr.replace("\n", "")
