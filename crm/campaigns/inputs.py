"""Owns what can be said about a campaign: the input models that forms and the API share."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from crm.campaigns.kinds import LeaverPolicy, ScheduleKind
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.consent.kinds import Purpose

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Language = Literal["", "it", "en"]


class Input(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PeopleInput(Input):
    """Whom to write to: a segment (hand picks come beside it), and what happens to those who leave it."""

    segment_id: UUID | None = None
    leavers: LeaverPolicy = LeaverPolicy.STAY
    holdout_percent: int = Field(0, ge=0, le=90, description="Percent of the people who get nothing, to compare.")


class TextInput(Input):
    """The text in one language; '' is the one used when no other fits."""

    language: Language = ""
    subject: str = ""
    body: str


class WordsInput(Input):
    """What is written, as what, and from where.

    `from_owner`: from the account of whoever looks after each person, else from `account_id`, else the usual one.
    """

    purpose: Literal[Purpose.PROMOTIONAL, Purpose.PERSONAL] = Purpose.PROMOTIONAL
    channel: ChannelKind = ChannelKind.EMAIL
    account_id: UUID | None = None
    from_owner: bool = False
    texts: list[TextInput] = Field(min_length=1, max_length=3)

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        languages = [text.language for text in self.texts]
        if "" not in languages or len(set(languages)) != len(languages):
            raise ValueError(N_("Give one text without a language, and at most one for each language."))
        return self


class ScheduleInput(Input):
    """When the approved ones leave.

    `now`; `at` one moment; `spread` evenly from `at` to `until`. With `in_recipient_zone` the clock time of `at` holds
    where each person lives.
    """

    kind: ScheduleKind = ScheduleKind.NOW
    at: AwareDatetime | None = None
    until: AwareDatetime | None = None
    in_recipient_zone: bool = False

    @property
    def starts_at(self) -> datetime | None:
        """The first moment, None for now."""
        return self.at if self.kind is not ScheduleKind.NOW else None
