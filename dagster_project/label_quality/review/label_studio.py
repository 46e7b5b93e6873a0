"""The worklist as a Label Studio project, and the answers from its export.

Formats: https://labelstud.io/guide/task_format (tasks and annotations), https://labelstud.io/guide/predictions
(pre-annotations), https://labelstud.io/tags/choices (the labelling interface).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from dagster_project.core.atomic_io import read_json, write_json, write_text
from dagster_project.core.verdict_kinds import ANSWERS, NEEDS_REGION, verdict_on
from dagster_project.label_quality.review.cards import Worklist
from dagster_project.label_quality.review.external_answers import Answer, check_version, unreadable

_DO = "export the project from Label Studio as JSON (not JSON-MIN) and give that file"


def write_project(worklist: Worklist, regions: tuple[str, ...], folder: Path) -> None:
    """Write `config.xml`, the labelling interface, and `tasks.json`, one task a card with the proposal preselected.

    The tasks contain the images, so that no image server is needed.
    """
    write_text(folder / "config.xml", _interface(regions))
    write_json(folder / "tasks.json", [_task(worklist, card) for card in worklist.cards.values()])


def read_results(path: Path, reviewers: dict[str, str]) -> list[Answer]:
    """The answers of a Label Studio JSON export; skipped tasks are left out.

    `reviewers` maps each annotator's user id or e-mail address in Label Studio to a name; '' maps all others. Raises
    RayTruthError if the file is not such an export, an annotation has no verdict, or an annotator has no name.
    """
    try:
        return [
            _answer(task["data"], annotation, reviewers, path)
            for task in _list(read_json(path))
            for annotation in task["annotations"]
            if not annotation.get("was_cancelled")
        ]
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(path, f"the file is not a Label Studio export ({type(error).__name__})", _DO) from None


def _list(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list):
        raise TypeError
    return found


def _answer(data: dict[str, Any], annotation: dict[str, Any], reviewers: dict[str, str], path: Path) -> Answer:
    check_version(data, path)
    parts = [part for part in annotation["result"] if part["type"] == "choices"]
    choices = {part["from_name"]: part["value"]["choices"] for part in parts}
    where = f"annotation {annotation['id']} of image {data['image_id']}"
    if any(len(chosen) != 1 for chosen in choices.values()) or "verdict" not in choices:
        raise unreadable(path, f"{where} needs exactly one verdict", "answer it in Label Studio and export again")
    verdict = choices["verdict"][0]
    region = choices.get("region", [""])[0] if verdict in NEEDS_REGION else ""
    at = annotation.get("updated_at") or annotation["created_at"]
    return Answer(
        data["image_id"],
        verdict,
        region,
        _name(annotation["completed_by"], reviewers, path),
        at,
        answer_id="\0".join(["Label Studio", str(annotation["id"]), data["image_id"], verdict, region, at]),
        model_version=data.get("model_version", ""),
        data_version=data.get("data_version", ""),
        given_region=data.get("given_region"),
        proposed_region=data.get("proposed_region"),
    )


def _name(annotator: Any, reviewers: dict[str, str], path: Path) -> str:
    """Newer exports contain the id of the annotator, older ones a record with the e-mail address."""
    record = annotator if isinstance(annotator, dict) else {"id": annotator}
    for known in (str(record.get("email")), str(record.get("id")), ""):
        if known in reviewers:
            return reviewers[known]
    raise unreadable(
        path,
        f"the annotator {record.get('id')} has no name",
        f"name every annotator: --reviewer '{record.get('id')}=Dr A'",
    )


def _task(worklist: Worklist, card: dict[str, Any]) -> dict[str, Any]:
    image = base64.b64encode(worklist.images[card["image_id"]].read_bytes()).decode()
    given, proposed = card["given_region"], card["proposed_region"]
    words = f"given: {given or 'none'} ({card['provenance']}); proposed: {proposed or 'out of domain'}"
    shown = {name: card[name] for name in ("image_id", "kind", "rank", "given_region", "proposed_region", "batch")}
    proposal = _proposal(card)
    return {
        "data": {
            **shown,
            "image": f"data:image/jpeg;base64,{image}",
            "words": words,
            "model_version": worklist.model_version,
            "data_version": worklist.data_version,
        },
        "predictions": [
            {
                "model_version": worklist.model_version[:12],
                "score": card["confidence"],
                "result": [
                    {"from_name": name, "to_name": "image", "type": "choices", "value": {"choices": [choice]}}
                    for name, choice in proposal.items()
                ],
            }
        ],
    }


def _proposal(card: dict[str, Any]) -> dict[str, str]:
    proposed = card["proposed_region"]
    kind = verdict_on(proposed, card["given_region"])  # given is right: one of two near-duplicates has the right label
    return {"verdict": kind.value} | ({"region": proposed} if kind in NEEDS_REGION else {})


def _interface(regions: tuple[str, ...]) -> str:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Text", name="words", value="$words")
    ElementTree.SubElement(
        view, "Image", name="image", value="$image", zoom="true", zoomControl="true", brightnessControl="true",
        contrastControl="true",
    )  # fmt: skip
    one = {"toName": "image", "choice": "single", "required": "true"}
    verdict = ElementTree.SubElement(view, "Choices", {"name": "verdict", **one})
    for kind in ANSWERS:
        ElementTree.SubElement(verdict, "Choice", value=kind.value, hotkey=kind.traits.hotkey)
    asked = {"whenTagName": "verdict", "whenChoiceValue": ",".join(NEEDS_REGION), "visibleWhen": "choice-selected"}
    region = ElementTree.SubElement(view, "Choices", {"name": "region", **one, **asked})
    for name in regions:
        ElementTree.SubElement(region, "Choice", value=name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"
