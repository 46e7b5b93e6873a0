"""The base of all groups of settings in params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A group of settings; values cannot be changed, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
