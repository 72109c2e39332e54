"""REST: what campaigns, recipients and reports look like on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from crm.campaigns.inputs import TextInput
from crm.campaigns.kinds import CampaignState, LeaverPolicy, Outcome, Reaction
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.outreach.kinds import DeliveryState, MessageState
from crm.outreach.rules import Reason, Way
from crm.web.api import (
    ApiModel,
    PageQuery,
)

Ids = Annotated[list[UUID], Field(min_length=1, max_length=2_000)]


class CampaignIn(ApiModel):
    """A new campaign; what is not given is chosen later with PATCH."""

    name: str = Field(min_length=1, max_length=120)
    segment_id: UUID | None = None
    contact_ids: list[UUID] = Field([], max_length=2_000, description="People picked by hand.")
    offer_id: UUID | None = None
    leavers: LeaverPolicy = LeaverPolicy.STAY
    holdout_percent: int = Field(0, ge=0, le=90)
    purpose: Literal[Purpose.PROMOTIONAL, Purpose.PERSONAL] = Purpose.PROMOTIONAL
    channel: ChannelKind = ChannelKind.EMAIL
    account_id: UUID | None = None
    from_owner: bool = Field(False, description="From the account of whoever looks after each person.")
    texts: list[TextInput] = Field([], max_length=3, description="Liquid; one without a language, one more for each.")


class CampaignPatch(ApiModel):
    """The fields to change."""

    name: str | None = Field(None, min_length=1, max_length=120)
    segment_id: UUID | None = None
    offer_id: UUID | None = None
    leavers: LeaverPolicy | None = None
    holdout_percent: int | None = Field(None, ge=0, le=90)
    purpose: Literal[Purpose.PROMOTIONAL, Purpose.PERSONAL] | None = None
    channel: ChannelKind | None = None
    account_id: UUID | None = None
    from_owner: bool | None = None
    texts: list[TextInput] | None = Field(None, min_length=1, max_length=3)


class TextOut(ApiModel):
    language: str
    subject: str
    body: str


class CampaignOut(ApiModel):
    id: UUID
    name: str
    state: CampaignState
    purpose: Purpose
    channel: ChannelKind
    segment_id: UUID | None
    offer_id: UUID | None
    account_id: UUID | None
    from_owner: bool
    leavers: LeaverPolicy
    holdout_percent: int
    starts_at: datetime | None
    ends_at: datetime | None
    in_recipient_zone: bool
    prepared_at: datetime | None
    created_at: datetime
    texts: list[TextOut]
    counts: dict[Outcome, int]


class PicksIn(ApiModel):
    """Hand picks: people to add, to leave out, and to leave to the segment again."""

    add: list[UUID] = Field([], max_length=2_000)
    remove: list[UUID] = Field([], max_length=2_000)
    forget: list[UUID] = Field([], max_length=2_000)


class CandidateOut(ApiModel):
    """Somebody the campaign would write to, with the gate's answer."""

    contact_id: UUID
    name: str
    picked: bool
    allowed: bool
    reason: Reason | None
    until: datetime | None
    way: Way


class AudienceOut(ApiModel):
    items: list[CandidateOut]
    writable: int
    too_many: bool


class PreparedOut(ApiModel):
    drafted: int
    missing: int
    skipped: int
    held_out: int


class RecipientsIn(ApiModel):
    """Which recipients."""

    recipient_ids: Ids


class ApproveIn(ApiModel):
    """Which recipients; without them all whose draft nobody changed."""

    recipient_ids: Ids | None = None


class DecideIn(RecipientsIn):
    """Which recipients, and why."""

    reason: str = Field("", max_length=200)


class ChangedOut(ApiModel):
    """Ids of the messages that changed, and why others did not."""

    done: list[UUID]
    refused: dict[UUID, str]


class SpreadIn(ApiModel):
    """A window over which the messages leave at even distances."""

    start: AwareDatetime
    until: AwareDatetime


class ScheduleIn(ApiModel):
    """Nothing means now; `at` one moment; `spread` a window."""

    at: AwareDatetime | None = None
    spread: SpreadIn | None = None
    in_recipient_zone: bool = False


class ScheduledOut(ApiModel):
    scheduled: int
    first_at: datetime | None
    last_at: datetime | None
    waiting: int
    left: int


class DraftPatch(ApiModel):
    """One person's words."""

    subject: str = ""
    body: str


class RecipientOut(ApiModel):
    id: UUID
    contact_id: UUID
    name: str
    outcome: Outcome
    reason: str
    message_id: UUID | None
    message_state: MessageState | None
    subject: str
    is_edited: bool
    missing: list[str]
    planned_at: datetime | None
    due_at: datetime | None
    held_until: datetime | None
    sent_at: datetime | None
    delivery: DeliveryState
    replied_at: datetime | None
    redeemed_at: datetime | None
    revenue_minor: int


class DraftOut(RecipientOut):
    """One recipient with the draft and why it was written to this person."""

    body: str
    why: dict[str, Any]


class RecipientQuery(PageQuery):
    outcome: Outcome | None = None
    reaction: Reaction | None = None


class LiftOut(ApiModel):
    """Percentage points between those written to and those held out, with the 95 % interval."""

    written: int
    written_bought: int
    kept: int
    kept_bought: int
    difference: float
    low: float
    high: float
    is_clear: bool


class CampaignReportOut(ApiModel):
    """`planned` is the sum of `outcomes`, always; money in minor units."""

    planned: int
    outcomes: dict[Outcome, int]
    reactions: dict[Reaction, int]
    purchases: int
    revenue_minor: int
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    next_at: datetime | None
    lift: LiftOut | None
