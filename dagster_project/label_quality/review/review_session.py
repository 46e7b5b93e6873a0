"""A review session: the open images of a reviewer, and answers into the ledger. It knows nothing about HTTP."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import Verdict, append_verdicts, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.core.verdict_kinds import ANSWERS, DECIDING, KEEPS_GIVEN, NEEDS_REGION, VerdictKind
from dagster_project.label_quality.review import stopping_rule
from dagster_project.label_quality.review.acceptance_sampling import estimates, verdicts_on_list
from dagster_project.label_quality.review.cards import Worklist
from dagster_project.label_quality.review.reader_assignment import count_errors, kappas, latest_verdicts, open_images

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class ReviewSession:
    """One worklist, or one random sample, whose answers get the mark of its draw.

    `second_share` in 0..1 is the share of images that two reviewers review. `probabilities` are the error probabilities
    of the labels of the cards (0..1, by image_id), `expected_beyond` the expected number of errors outside the cards.
    `clean`: burned-in text is masked in the images.
    """

    paths: Paths
    worklist: Worklist
    regions: tuple[str, ...]
    second_share: float
    probabilities: dict[str, float]
    expected_beyond: float
    clean: bool

    def status(self, reviewer: str) -> dict[str, Any]:
        """The open images of this reviewer, in the order of the list; the errors found and expected; the kappas.

        `errors` are wrong given labels; `missing_named` counts the images without a label that got one.
        `sample` is the estimate of this random sample, or of the latest one beside a list; None before a decision.
        """
        ledger, mark = load_verdicts(self.paths), self.worklist.sample
        listed = ledger[ledger["image_id"].isin(self.worklist.cards)]
        listed = listed[listed["sample"] == mark] if mark else listed
        latest, counted = latest_verdicts(listed), listed if mark else verdicts_on_list(listed)
        decided, errors = count_errors(latest_verdicts(counted), self.worklist.cards)
        samples = [asdict(one) for one in estimates(ledger) if not mark or one.mark == mark]
        mine, reviewed = latest[latest["reviewer"] == reviewer], set(latest["image_id"])
        named = latest[(latest["given_region"] == "") & latest["verdict"].isin(DECIDING)]
        unreviewed = (p for image_id, p in self.probabilities.items() if image_id not in reviewed)
        return {
            "open": open_images(latest, self.worklist.cards, reviewer, self.second_share),
            "decided": decided,
            "errors": errors,
            "missing_named": named["image_id"].nunique(),
            "run_without_error": stopping_rule.run_without_error(counted),
            "stop_after": stopping_rule.STOP_AFTER,
            "expected": stopping_rule.expected_errors(unreviewed),
            "expected_beyond": self.expected_beyond,
            "mine": len(mine),
            "last": mine[["verdict_id", "image_id"]].iloc[-1].to_dict() if len(mine) else None,
            "kappas": kappas(latest_verdicts(ledger)),
            "sample": samples[-1] if samples else None,
        }

    def answer(self, reviewer: str, image_id: str, verdict: str, region: str, verdict_id: str) -> None:
        """Record an answer; it is on the disk when this returns. The same `verdict_id` again adds nothing.

        Raises RayTruthError, and records nothing, if the answer does not fit the image.
        """
        card = self._card(image_id)
        if verdict not in ANSWERS or not _ID.fullmatch(verdict_id):
            raise _refused(image_id, "it is not an answer of this page")
        if verdict in KEEPS_GIVEN and not card["given_region"]:
            raise _refused(image_id, "the image has no given label")
        if verdict in KEEPS_GIVEN and verdict in NEEDS_REGION and region == card["given_region"]:
            raise _refused(image_id, "the second region is the given one")
        self._append(card, verdict, region, reviewer, verdict_id=verdict_id)

    def retract(self, reviewer: str, image_id: str, verdict_id: str) -> None:
        """Retract an answer by a further entry. Raises RayTruthError if it is not a current one of this reviewer."""
        self._append(self._card(image_id), VerdictKind.RETRACTED, "", reviewer, retracts=verdict_id)

    def _append(self, card: dict[str, Any], verdict: str, region: str, reviewer: str, **more: str) -> None:
        shown = {name: getattr(self.worklist, name) for name in ("model_version", "data_version", "sample")}
        image_id, given, proposed = (card[name] for name in ("image_id", "given_region", "proposed_region"))
        entry = Verdict(image_id, verdict, region, given, proposed, reviewer, **shown, **more)
        append_verdicts(self.paths, [entry], self.regions)

    def _card(self, image_id: str) -> dict[str, Any]:
        if image_id not in self.worklist.cards:
            raise _refused(image_id, "the image is not in this worklist")
        return self.worklist.cards[image_id]


def _refused(image_id: str, problem: str) -> RayTruthError:
    return RayTruthError(
        f"An answer cannot be recorded: {problem}",
        where=f"image {image_id}",
        do="reload the page; nothing was recorded",
    )
