"""The kinds of verdict. A new kind is one member here; ledger, review page, imports, figures and causes use it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Traits:
    """The properties of a kind of verdict.

    `hotkey` and `words` are shown in the review tools. `needs_region`: the verdict must name a region. `is_error`: the
    given label was wrong. `decides`: the verdict settles the image's label. `is_answer`: a reviewer can choose this
    kind; a retraction comes only from the undo of the page.
    """

    hotkey: str
    words: str
    needs_region: bool = False
    is_error: bool = False
    decides: bool = True
    is_answer: bool = True

    @property
    def keeps_given(self) -> bool:
        """Whether the given label stays the image's label; such a verdict needs a given label."""
        return self.decides and not self.is_error


class VerdictKind(StrEnum):
    """What a reviewer can answer about an image, in the order of the review tools. The value is stored."""

    traits: Traits

    def __new__(cls, value: str, traits: Traits) -> VerdictKind:
        """Make a member from its stored value and its traits."""
        member = str.__new__(cls, value)
        member._value_, member.traits = value, traits
        return member

    GIVEN_IS_RIGHT = "given_is_right", Traits("g", "given is right")
    WRONG_LABEL = "wrong_label", Traits("w", "wrong label", needs_region=True, is_error=True)
    OUT_OF_DOMAIN = "out_of_domain", Traits("o", "out of domain", is_error=True)
    TWO_REGIONS = "two_regions", Traits("t", "two regions", needs_region=True)
    UNDETERMINED = "undetermined", Traits("x", "cannot tell", decides=False)
    RETRACTED = "retracted", Traits("", "taken back", decides=False, is_answer=False)


KINDS = {kind.value: kind for kind in VerdictKind}
ANSWERS = tuple(kind for kind in VerdictKind if kind.traits.is_answer)
ERRORS = tuple(kind for kind in VerdictKind if kind.traits.is_error)
DECIDING = tuple(kind for kind in VerdictKind if kind.traits.decides)
NEEDS_REGION = tuple(kind for kind in VerdictKind if kind.traits.needs_region)
KEEPS_GIVEN = tuple(kind for kind in VerdictKind if kind.traits.keeps_given)


def verdict_on(region: str, given: str) -> VerdictKind:
    """The verdict of a reviewer who names `region` ('' for none of the classes) as the only region of an image.

    `given` is the image's label. An image without a label that shows none of the classes is out of domain.
    """
    if not region:
        return VerdictKind.OUT_OF_DOMAIN
    return VerdictKind.GIVEN_IS_RIGHT if region == given else VerdictKind.WRONG_LABEL
