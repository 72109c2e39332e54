"""Owns what can be said about a deal, a pipeline or a stage: the input models of forms and API."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from crm.contacts.inputs import Input, Line, Text
from crm.deals.kinds import StageKind
from crm.deals.rules import MOST_DAYS, MOST_MONEY, is_currency
from crm.errors import worded

_FIRST_DAY = date(1970, 1, 1)
_LAST_DAY = date(2199, 12, 31)


def _currency(code: str) -> str:
    if code and not is_currency(code.upper()):
        raise ValueError(worded("Write the currency as a code of three letters, like EUR."))
    return code.upper()


def _near(day: date | None) -> date | None:
    if day is not None and not _FIRST_DAY <= day <= _LAST_DAY:
        raise ValueError(worded("This day is too far away."))
    return day


Percent = Annotated[int, Field(ge=0, le=100, strict=True)]
Name = Annotated[Line, Field(min_length=1, max_length=80)]
Amount = Annotated[int, Field(ge=0, le=MOST_MONEY, strict=True)]
Currency = Annotated[str, Field(max_length=3), AfterValidator(_currency)]
Day = Annotated[date | None, AfterValidator(_near)]


class DealInput(Input):
    """A deal as it is edited: `amount_minor` in minor units of `currency` (empty: the workspace's).

    `probability` in per cent only where it differs from the stage's, `closes_on` the day when it is expected to end.
    """

    title: Annotated[Line, Field(min_length=1)]
    amount_minor: Amount = 0
    currency: Currency = ""
    closes_on: Day = None
    probability: Percent | None = None
    owner_id: UUID | None = None


class NewDealInput(DealInput):
    """A new deal: where it begins (the first open stage unless given), with whom, and for which companies."""

    stage_id: UUID | None = None
    contact_id: UUID | None = None
    contact_role: Line = ""
    company_ids: Annotated[list[UUID], Field(max_length=20)] = []


class MoveInput(Input):
    """Where a deal goes; a lost one needs a reason of the list or a note.

    `pipeline_id` is said only where the stage belongs to another pipeline than the deal so far. Behind or before which
    other open deal of the stage it stands; without either it stands by its closing day.
    """

    stage_id: UUID
    pipeline_id: UUID | None = None
    after_id: UUID | None = None
    before_id: UUID | None = None
    lost_reason_id: UUID | None = None
    lost_note: Text = ""


class StageInput(Input):
    """A stage: its chance in per cent (open ones only) and after how many days its deals are marked (None never)."""

    name: Name
    kind: StageKind = StageKind.OPEN
    probability: Percent = 0
    rot_days: Annotated[int | None, Field(ge=1, le=MOST_DAYS, strict=True)] = None
