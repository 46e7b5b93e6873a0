"""The worklist as a Label Studio project, and its results back.

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
from dagster_project.core.ledger import NEEDS_REGION
from dagster_project.label_quality.review.cards import Worklist
from dagster_project.label_quality.review.external_answers import Answer, unreadable

_KEYS = {
    "given_is_right": "g",
    "wrong_label": "w",
    "out_of_domain": "o",
    "two_regions": "t",
    "cannot_tell": "x",
}
_DO = "export the project from Label Studio as JSON (not JSON-MIN) and give that file"


def write_project(worklist: Worklist, regions: tuple[str, ...], folder: Path) -> None:
    """Write `config.xml`, the labelling interface, and `tasks.json`, one task a card with the proposal marked.

    The images are in the tasks themselves, so that nothing has to be served.
    """
    write_text(folder / "config.xml", _interface(regions))
    write_json(folder / "tasks.json", [_task(worklist, card) for card in worklist.cards.values()])


def read_results(path: Path, reviewers: dict[str, str]) -> list[Answer]:
    """The answers of a Label Studio JSON export; skipped tasks are left out.

    `reviewers` names each annotator by Label Studio's user id or e-mail address, or '' for whoever it was. Raises
    RayTruthError if the file is no such export, an annotation lacks its verdict, or an annotator has no name.
    """
    try:
        return [
            _answer(task["data"], annotation, reviewers, path)
            for task in _list(read_json(path))
            for annotation in task["annotations"]
            if not annotation.get("was_cancelled")
        ]
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(path, f"it is no Label Studio export ({type(error).__name__})", _DO) from None


def _list(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list):
        raise TypeError
    return found


def _answer(data: dict[str, Any], annotation: dict[str, Any], reviewers: dict[str, str], path: Path) -> Answer:
    said = {part["from_name"]: part["value"]["choices"] for part in annotation["result"] if part["type"] == "choices"}
    where = f"annotation {annotation['id']} of image {data['image_id']}"
    if any(len(choices) != 1 for choices in said.values()) or "verdict" not in said:
        raise unreadable(path, f"{where} has not one verdict", "answer it in Label Studio and export again")
    verdict = said["verdict"][0]
    region = said.get("region", [""])[0] if verdict in NEEDS_REGION else ""
    at = annotation.get("updated_at") or annotation["created_at"]
    return Answer(
        data["image_id"],
        verdict,
        region,
        _name(annotation["completed_by"], reviewers, path),
        at,
        key="\0".join(["Label Studio", str(annotation["id"]), data["image_id"], verdict, region, at]),
        model=data.get("model", ""),
        data_version=data.get("data_version", ""),
        given=data.get("given"),
        proposed=data.get("proposed"),
    )


def _name(annotator: Any, reviewers: dict[str, str], path: Path) -> str:
    """Newer exports give the annotator's id, others a record with the e-mail address."""
    record = annotator if isinstance(annotator, dict) else {"id": annotator}
    for known in (str(record.get("email")), str(record.get("id")), ""):
        if known in reviewers:
            return reviewers[known]
    raise unreadable(
        path,
        f"its annotator {record.get('id')} has no name here",
        f"name every annotator: --reviewer '{record.get('id')}=Dr A'",
    )


def _task(worklist: Worklist, card: dict[str, Any]) -> dict[str, Any]:
    image = base64.b64encode(worklist.images[card["image_id"]].read_bytes()).decode()
    words = f"given: {card['given'] or 'none'} ({card['provenance']}); proposed: {card['proposed'] or 'out of domain'}"
    shown = {name: card[name] for name in ("image_id", "kind", "rank", "given", "proposed", "batch")}
    proposal = _proposal(card)
    return {
        "data": {
            **shown,
            "image": f"data:image/jpeg;base64,{image}",
            "words": words,
            "model": worklist.model,
            "data_version": worklist.data_version,
        },
        "predictions": [
            {
                "model_version": worklist.model[:12],
                "score": card["confidence"],
                "result": [
                    {"from_name": name, "to_name": "image", "type": "choices", "value": {"choices": [choice]}}
                    for name, choice in proposal.items()
                ],
            }
        ],
    }


def _proposal(card: dict[str, Any]) -> dict[str, str]:
    if not card["proposed"]:
        return {"verdict": "out_of_domain"}
    if card["proposed"] == card["given"]:  # of copies with two labels, one bears the right one
        return {"verdict": "given_is_right"}
    return {"verdict": "wrong_label", "region": card["proposed"]}


def _interface(regions: tuple[str, ...]) -> str:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Text", name="words", value="$words")
    ElementTree.SubElement(
        view, "Image", name="image", value="$image", zoom="true", zoomControl="true", brightnessControl="true",
        contrastControl="true",
    )  # fmt: skip
    one = {"toName": "image", "choice": "single", "required": "true"}
    verdict = ElementTree.SubElement(view, "Choices", {"name": "verdict", **one})
    for name, key in _KEYS.items():
        ElementTree.SubElement(verdict, "Choice", value=name, hotkey=key)
    asked = {"whenTagName": "verdict", "whenChoiceValue": ",".join(NEEDS_REGION), "visibleWhen": "choice-selected"}
    region = ElementTree.SubElement(view, "Choices", {"name": "region", **one, **asked})
    for name in regions:
        ElementTree.SubElement(region, "Choice", value=name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"
