"""A reviewer's desk: what is to be read, and answers into the ledger. Knows nothing of how it is served."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import WITHDRAWN, Verdict, append_verdicts, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.label_quality.review import stopping_rule
from dagster_project.label_quality.review.acceptance_sampling import estimates, of_list
from dagster_project.label_quality.review.cards import Worklist
from dagster_project.label_quality.review.reader_assignment import UNDECIDED, agreement, found, readings, wanting

_ID = re.compile(r"[0-9a-f]{32}")
_NEEDS_GIVEN = ("given_is_right", "two_regions")


@dataclass(frozen=True)
class Desk:
    """One worklist, or one random sample, whose answers are marked.

    `second_share` in 0..1 is the share of images that two reviewers read.

    `probabilities` says of each card's label how likely it is wrong (0..1, by image_id), `beyond` how many others are
    expected to be; `clean` whether burned-in text is painted over in the images.
    """

    paths: Paths
    worklist: Worklist
    regions: tuple[str, ...]
    second_share: float
    probabilities: dict[str, float]
    beyond: float
    clean: bool

    def status(self, reviewer: str) -> dict[str, Any]:
        """What is open to this reviewer, in the list's order; what was found; what reading on is worth; agreement.

        Errors are those of given labels; `named` counts the images without one that were decided.
        `sample` is the estimate of this random sample, or of the latest beside a list; None before one is read.
        """
        ledger, mark = load_verdicts(self.paths), self.worklist.sample
        listed = ledger[ledger["image_id"].isin(self.worklist.cards)]
        listed = listed[listed["sample"] == mark] if mark else listed
        read, counted = readings(listed), listed if mark else of_list(listed)
        decided, errors = found(readings(counted), self.worklist.cards)
        samples = [asdict(one) for one in estimates(ledger) if not mark or one.mark == mark]
        mine, seen = read[read["reviewer"] == reviewer], set(read["image_id"])
        return {
            "open": wanting(read, self.worklist.cards, reviewer, self.second_share),
            "decided": decided,
            "errors": errors,
            "named": read[(read["given_region"] == "") & (read["verdict"] != UNDECIDED)]["image_id"].nunique(),
            "run": stopping_rule.run_without_error(counted),
            "stop_after": stopping_rule.STOP_AFTER,
            "expected": stopping_rule.expected_errors(p for i, p in self.probabilities.items() if i not in seen),
            "expected_beyond": self.beyond,
            "mine": len(mine),
            "last": mine[["verdict_id", "image_id"]].iloc[-1].to_dict() if len(mine) else None,
            "agreement": agreement(readings(ledger)),
            "sample": samples[-1] if samples else None,
        }

    def answer(self, reviewer: str, image_id: str, verdict: str, region: str, verdict_id: str) -> None:
        """Record an answer; when this returns it is on the disk. The same `verdict_id` again adds nothing.

        Raises RayTruthError, and records nothing, if the answer makes no sense for this image.
        """
        card = self._card(image_id)
        if verdict == WITHDRAWN or not _ID.fullmatch(verdict_id):
            raise _senseless(image_id, "it is no answer of the page")
        if verdict in _NEEDS_GIVEN and not card["given"]:
            raise _senseless(image_id, "the image has no given label")
        if verdict == "two_regions" and region == card["given"]:
            raise _senseless(image_id, "the second region is the given one")
        self._append(card, verdict, region, reviewer, verdict_id=verdict_id)

    def withdraw(self, reviewer: str, image_id: str, verdict_id: str) -> None:
        """Take an answer back by a further entry. Raises RayTruthError unless this reviewer stands by it."""
        self._append(self._card(image_id), WITHDRAWN, "", reviewer, withdraws=verdict_id)

    def _append(self, card: dict[str, Any], verdict: str, region: str, reviewer: str, **more: str) -> None:
        shown = {name: getattr(self.worklist, name) for name in ("model", "data_version", "sample")}
        entry = Verdict(card["image_id"], verdict, region, card["given"], card["proposed"], reviewer, **shown, **more)
        append_verdicts(self.paths, [entry], self.regions)

    def _card(self, image_id: str) -> dict[str, Any]:
        if image_id not in self.worklist.cards:
            raise _senseless(image_id, "the image is not in this worklist")
        return self.worklist.cards[image_id]


def _senseless(image_id: str, problem: str) -> RayTruthError:
    return RayTruthError(
        f"An answer cannot be recorded: {problem}",
        where=f"image {image_id}",
        do="reload the page; nothing was recorded",
    )
