"""params.yaml: every key known, every key there, every value possible, and a message that names what is not."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.cli.init import template
from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Settings, load_settings

OWN = yaml.safe_load(template("params.yaml").read_text(encoding="utf-8"))


def keys(section: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in section.items():
        if above != ("profiles",):  # which profiles there are is the site's choice
            yield (*above, key)
        if isinstance(value, dict) and key != "methods":  # what is in there, the registry of methods checks
            yield from keys(value, (*above, key))


KEYS = list(keys(OWN))


def changed(path: tuple[str, ...], value: object = None, *, remove: bool = False) -> dict[str, Any]:
    settings = copy.deepcopy(OWN)
    section = settings
    for key in path[:-1]:
        section = section[key]
    if remove:
        del section[path[-1]]
    else:
        section[path[-1]] = value
    return settings


def load(settings: object, folder: Path) -> Settings:
    path = folder / "params.yaml"
    path.write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings), encoding="utf-8")
    return load_settings(path)


def refusal(settings: object, folder: Path) -> str:
    with pytest.raises(RayTruthError) as caught:
        load(settings, folder)
    assert caught.value.where == str(folder / "params.yaml")
    assert caught.value.do
    return str(caught.value)


def test_the_settings_that_come_along_are_complete() -> None:
    settings = load_settings(template("params.yaml"))
    assert settings.learning is settings.profiles[settings.profile]
    assert settings.model_dump(mode="json") == OWN


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_a_missing_key_is_an_error(path: tuple[str, ...], tmp_path: Path) -> None:
    assert f"{'.'.join(path)}: missing" in refusal(changed(path, remove=True), tmp_path)


@pytest.mark.parametrize(
    ("path", "near"),
    [
        (("seeds",), "seed"),
        (("ingestion", "percentile"), "percentiles"),
        (("validation", "first_years"), "first_year"),
        (("profiles", "quick", "warm_up"), "warmup"),
        (("monitoring", "zzzzzz"), ""),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest(path: tuple[str, ...], near: str, tmp_path: Path) -> None:
    said = refusal(changed(path, 1), tmp_path)
    assert f"{'.'.join(path)}: unknown key" in said
    assert (f"did you mean {near}?" in said) if near else ("did you mean" not in said)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seed",), "x"),
        (("seed",), None),
        (("profile",), "fast"),
        (("ingestion", "image_size"), 100),
        (("ingestion", "image_size"), 0),
        (("ingestion", "percentiles"), [99.5, 0.5]),
        (("ingestion", "percentiles"), [0.5, 100.5]),
        (("ingestion", "percentiles"), [-1, 99]),
        (("ingestion", "percentiles"), [50, 50]),
        (("ingestion", "percentiles"), [1]),
        (("ingestion", "percentiles"), [float("nan"), 99]),
        (("ingestion", "workers"), -1),
        (("ingestion", "memory_mb"), 10),
        (("ingestion", "seconds_per_file"), 0),
        (("ingestion", "max_megapixels"), 0),
        (("validation", "max_missing_label"), 1.5),
        (("validation", "max_missing_label"), float("nan")),
        (("validation", "min_side"), 20000),
        (("validation", "first_year"), 1800),
        (("training_set", "test"), 0),
        (("training_set", "validation"), 0.9),
        (("training_set", "folds"), 2),
        (("evaluation", "fractions"), [0]),
        (("evaluation", "repeats"), 2.5),
        (("ensembling", "max_members"), 0),
        (("monitoring", "embedding_drift"), 0.4),
        (("profiles", "quick", "device"), "tpu"),
        (("profiles", "quick", "architecture"), "vit"),
        (("profiles", "quick", "initial_weights"), "imagenet"),  # not with a ResNet
        (("profiles", "quick", "micro_batch_size"), 0),
        (("profiles", "quick", "micro_batch_size"), 48),  # the batch is 64
        (("profiles", "quick", "micro_batch_size"), 128),
        (("profiles", "quick", "micro_batch_size"), "whole"),
        (("profiles", "quick", "block"), "wide"),
        (("profiles", "quick", "blocks"), [2, 2, 2]),
        (("profiles", "quick", "methods"), [1]),
        (("ingestion",), 3),
        (("profiles",), 3),
    ],
    ids=str,
)
def test_an_impossible_value_is_an_error_that_names_its_key(
    path: tuple[str, ...], value: object, tmp_path: Path
) -> None:
    assert path[-1] in refusal(changed(path, value), tmp_path)


def test_the_pacs_of_the_documentation_can_be_used(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "data-engineer.md"
    example = yaml.safe_load(page.read_text().split("```yaml\n")[1].split("```")[0])
    receive = {**OWN["pacs"]["receive"], **example.pop("receive")}
    pacs = load({**OWN, "pacs": {**OWN["pacs"], **example, "receive": receive}}, tmp_path).pacs
    assert {name: source.protocol for name, source in pacs.sources.items()} == {"main": "dicomweb", "old": "dimse"}
    assert [str(network) for network in pacs.receive.allowed["CR1"]] == ["10.1.7.31/32"]


WEB = {"protocol": "dicomweb", "url": "https://pacs.example/web", "ca": None}


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("main", WEB | {"url": "http://pacs.example/web"}, "https://"),
        ("main", WEB | {"url": "https://me:CANARY@pacs.example/web"}, "password"),
        ("main", WEB | {"url": "ftp://pacs.example"}, "https://"),
        ("main", WEB | {"protocol": "ftp"}, "protocol"),
        ("main", WEB | {"urll": 1}, "did you mean url?"),
        ("received", WEB, "receive"),
        ("a/b", WEB, "sources"),
        ("Main", WEB, "sources"),
    ],
)
def test_a_pacs_that_cannot_be_or_would_tell_a_secret_is_an_error(
    name: str, source: dict[str, object], said: str, tmp_path: Path
) -> None:
    message = refusal(changed(("pacs", "sources"), {name: source}), tmp_path)
    assert said in message
    assert "CANARY" not in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("allowed", {"CR1": []}),
        ("allowed", {"CR1": ["10.0.0.1/8"]}),
        ("allowed", {"A" * 17: ["10.0.0.0/8"]}),
        ("allowed", {"CR\\1": ["10.0.0.0/8"]}),
        ("port", 0),
        ("ae_title", ""),
        ("quiet_seconds", 0),
        ("tls", {"certificate": "x"}),
    ],
)
def test_a_receiver_that_cannot_be_is_an_error(key: str, value: object, tmp_path: Path) -> None:
    assert key in refusal(changed(("pacs", "receive", key), value), tmp_path)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    settings = changed(("seed",), "x") | {"sed": 1}
    del settings["ingestion"]["image_size"]
    said = refusal(settings, tmp_path)
    assert "seed: " in said
    assert "sed: unknown key; did you mean seed?" in said
    assert "ingestion.image_size: missing" in said


@pytest.mark.parametrize(
    ("text", "said"), [("", "the file"), ("- 1", "the file"), ("{seed: [", "not valid YAML"), ("seed 3", "the file")]
)
def test_a_file_that_is_no_mapping_is_an_error(text: str, said: str, tmp_path: Path) -> None:
    assert said in refusal(text, tmp_path)


def test_a_file_in_another_encoding_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes("# Größe\nseed: 1".encode("latin-1"))
    with pytest.raises(RayTruthError, match="UTF-8"):
        load_settings(tmp_path / "params.yaml")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match="raytruth init"):
        load_settings(tmp_path / "params.yaml")


def test_settings_cannot_be_changed_by_accident() -> None:
    settings = load_settings(template("params.yaml"))
    with pytest.raises(ValueError, match="frozen"):
        settings.ingestion.image_size = 512
