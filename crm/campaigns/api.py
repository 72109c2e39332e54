"""REST: campaigns from the first choice of people to the report."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Response
from pydantic import AwareDatetime, Field
from sqlalchemy.orm import Session

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.campaigns import queries, services
from crm.campaigns.inputs import PeopleInput, ScheduleInput, TextInput, WordsInput
from crm.campaigns.kinds import CampaignState, LeaverPolicy, Outcome, Reaction, ScheduleKind
from crm.campaigns.models import Campaign
from crm.campaigns.queries import RecipientLine
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.errors import ConflictError
from crm.outreach import queries as outreach
from crm.outreach.kinds import DeliveryState, MessageState
from crm.outreach.rules import Reason, Way
from crm.outreach.services import Changed
from crm.web.api import (
    ApiModel,
    PageQuery,
    answer,
    api_blueprint,
    etag,
    expected_version,
    operation,
    page_answer,
    page_model,
    read_json,
    read_query,
)
from crm.web.sessions import current_session, request_now

blueprint = api_blueprint("campaigns", "/campaigns")
may_look = requires(Permission.VIEW_OWN)
may_write = requires(Permission.WRITE)
may_approve = requires(Permission.APPROVE)
TAG = "campaigns"
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


def _shown(line: queries.CampaignLine) -> CampaignOut:
    campaign = line.campaign
    names = set(CampaignOut.model_fields) - {"state", "texts", "counts"}
    texts = queries.texts(current_session(), campaign)
    return CampaignOut.model_validate(
        {
            **{name: getattr(campaign, name) for name in names},
            "state": line.state,
            "texts": [TextOut.model_validate(texts[language]) for language in sorted(texts)],
            "counts": {**dict.fromkeys(Outcome, 0), **line.outcomes},
        }
    )


def _answer(campaign_id: UUID, status: int = 200) -> Response:
    line = queries.line(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())
    return answer(_shown(line), status, {"ETag": etag(line.campaign.version)})


def _recipient(line: RecipientLine) -> RecipientOut:
    return RecipientOut.model_validate({name: getattr(line, name) for name in RecipientOut.model_fields})


def _changed(changed: Changed) -> Response:
    return answer(ChangedOut(done=list(changed.done), refused=dict(changed.refused)))


@blueprint.get("")
@may_look
@operation(tag=TAG, query=PageQuery, returns=page_model(CampaignOut))
def index() -> Response:
    """List campaigns, newest first."""
    query = read_query(PageQuery)
    page = queries.campaigns(current_session(), current_actor(), now=request_now(), **query.model_dump())
    return page_answer(page, _shown)


@blueprint.post("")
@may_write
@operation(tag=TAG, body=CampaignIn, returns=CampaignOut, status=201, refuses=(404,))
def create() -> Response:
    """Start a campaign."""
    data = read_json(CampaignIn)
    session, actor, now = current_session(), current_actor(), request_now()
    campaign = services.create(
        session,
        actor,
        name=data.name,
        segment_id=data.segment_id,
        contact_ids=data.contact_ids,
        offer_id=data.offer_id,
        now=now,
    )
    people = PeopleInput(segment_id=data.segment_id, leavers=data.leavers, holdout_percent=data.holdout_percent)
    services.choose_people(session, actor, campaign_id=campaign.id, data=people, now=now)
    if data.texts:
        words = WordsInput(purpose=data.purpose, channel=data.channel, account_id=data.account_id, texts=data.texts)
        services.write_words(session, actor, campaign_id=campaign.id, data=words, now=now)
    return _answer(campaign.id, 201)


@blueprint.get("/<uuid:campaign_id>")
@may_look
@operation(tag=TAG, returns=CampaignOut, refuses=(404,))
def read(campaign_id: UUID) -> Response:
    """Show a campaign with its state and counts."""
    return _answer(campaign_id)


@blueprint.patch("/<uuid:campaign_id>")
@may_write
@operation(tag=TAG, body=CampaignPatch, returns=CampaignOut, refuses=(404, 409))
def change(campaign_id: UUID) -> Response:
    """Change what is given: the name at any time, everything else before the preparation."""
    data = read_json(CampaignPatch)
    session, actor, now = current_session(), current_actor(), request_now()
    campaign = queries.campaign(session, actor, campaign_id=campaign_id, lock=True)
    version = expected_version()
    if version is not None and version != campaign.version:
        raise ConflictError("somebody else has changed this meanwhile", code="changed")
    given = data.model_fields_set
    if data.name is not None:
        services.rename(session, actor, campaign_id=campaign_id, name=data.name, now=now)
    if given & {"segment_id", "leavers", "holdout_percent"}:
        services.choose_people(session, actor, campaign_id=campaign_id, data=_people(campaign, data), now=now)
    if "offer_id" in given:
        services.choose_offer(session, actor, campaign_id=campaign_id, offer_id=data.offer_id, now=now)
    if given & {"texts", "purpose", "channel", "account_id"}:
        words = _words(session, campaign, data)
        services.write_words(session, actor, campaign_id=campaign_id, data=words, now=now)
    return _answer(campaign_id)


def _people(campaign: Campaign, data: CampaignPatch) -> PeopleInput:
    return PeopleInput(
        segment_id=data.segment_id if "segment_id" in data.model_fields_set else campaign.segment_id,
        leavers=data.leavers or LeaverPolicy(campaign.leavers),
        holdout_percent=campaign.holdout_percent if data.holdout_percent is None else data.holdout_percent,
    )


def _words(session: Session, campaign: Campaign, data: CampaignPatch) -> WordsInput:
    known = [
        TextInput.model_validate({"language": text.language, "subject": text.subject, "body": text.body})
        for text in queries.texts(session, campaign).values()
    ]
    personal = (data.purpose or campaign.purpose) == Purpose.PERSONAL
    return WordsInput(
        purpose=Purpose.PERSONAL if personal else Purpose.PROMOTIONAL,
        channel=data.channel or ChannelKind(campaign.channel),
        account_id=data.account_id if "account_id" in data.model_fields_set else campaign.account_id,
        # Without a text yet there is nothing to keep: the empty one is refused beside its field.
        texts=data.texts or known or [TextInput(body="")],
    )


@blueprint.delete("/<uuid:campaign_id>")
@may_write
@operation(tag=TAG, status=204, refuses=(404, 409))
def remove(campaign_id: UUID) -> Response:
    """Put a draft or an ended campaign away."""
    services.remove(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())
    return Response(status=204)


@blueprint.post("/<uuid:campaign_id>/picks")
@may_write
@operation(tag=TAG, body=PicksIn, returns=CampaignOut, refuses=(404, 409))
def pick(campaign_id: UUID) -> Response:
    """Add people by hand, leave some out, or leave them to the segment again."""
    data = read_json(PicksIn)
    common: dict[str, Any] = {"campaign_id": campaign_id, "now": request_now()}
    session, actor = current_session(), current_actor()
    queries.campaign(session, actor, campaign_id=campaign_id)
    if data.add:
        services.pick(session, actor, contact_ids=data.add, **common)
    if data.remove:
        services.take_out(session, actor, contact_ids=data.remove, **common)
    for contact_id in data.forget:
        services.forget_pick(session, actor, contact_id=contact_id, **common)
    return _answer(campaign_id)


@blueprint.get("/<uuid:campaign_id>/audience")
@may_look
@operation(tag=TAG, returns=AudienceOut, refuses=(404,))
def audience(campaign_id: UUID) -> Response:
    """Whom it would write to now, with the gate's answer for each."""
    session, actor = current_session(), current_actor()
    campaign = queries.campaign(session, actor, campaign_id=campaign_id)
    found = queries.people(session, actor, campaign=campaign, now=request_now())
    items = [
        CandidateOut(
            contact_id=person.contact.id,
            name=person.contact.display_name,
            picked=person.picked,
            allowed=person.verdict.allowed,
            reason=person.verdict.reason,
            until=person.verdict.until,
            way=person.verdict.way,
        )
        for person in found.candidates
    ]
    return answer(AudienceOut(items=items, writable=found.writable, too_many=found.too_many))


@blueprint.post("/<uuid:campaign_id>/prepare")
@may_write
@operation(tag=TAG, returns=PreparedOut, refuses=(404, 409))
def prepare(campaign_id: UUID) -> Response:
    """Freeze the audience, allocate the codes, and write one draft a person."""
    done = services.prepare(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())
    return answer(PreparedOut.model_validate(done))


@blueprint.post("/<uuid:campaign_id>/discard")
@may_write
@operation(tag=TAG, returns=CampaignOut, refuses=(404, 409))
def discard(campaign_id: UUID) -> Response:
    """Throw the drafts away, before anything was scheduled."""
    services.discard(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())
    return _answer(campaign_id)


@blueprint.post("/<uuid:campaign_id>/approve")
@may_approve
@operation(tag=TAG, body=ApproveIn, returns=ChangedOut, refuses=(404, 409))
def approve(campaign_id: UUID) -> Response:
    """Approve these drafts, or all that nobody changed."""
    data = read_json(ApproveIn)
    return _changed(
        services.approve(
            current_session(),
            current_actor(),
            campaign_id=campaign_id,
            recipient_ids=data.recipient_ids,
            now=request_now(),
        )
    )


def _decide(campaign_id: UUID, service: Callable[..., Changed]) -> Response:
    data = read_json(DecideIn)
    return _changed(
        service(current_session(), current_actor(), campaign_id=campaign_id, now=request_now(), **data.model_dump())
    )


@blueprint.post("/<uuid:campaign_id>/skip")
@may_write
@operation(tag=TAG, body=DecideIn, returns=ChangedOut, refuses=(404, 409))
def skip(campaign_id: UUID) -> Response:
    """Leave these people out this time."""
    return _decide(campaign_id, services.skip)


@blueprint.post("/<uuid:campaign_id>/reject")
@may_approve
@operation(tag=TAG, body=DecideIn, returns=ChangedOut, refuses=(404, 409))
def reject(campaign_id: UUID) -> Response:
    """Say no to these drafts."""
    return _decide(campaign_id, services.reject)


@blueprint.post("/<uuid:campaign_id>/schedule")
@may_write
@operation(tag=TAG, body=ScheduleIn, returns=ScheduledOut, refuses=(404, 409))
def schedule(campaign_id: UUID) -> Response:
    """Agree on when the approved drafts leave."""
    data = read_json(ScheduleIn)
    wanted = ScheduleInput(
        kind=ScheduleKind.AT if data.at else ScheduleKind.NOW,
        at=data.at,
        in_recipient_zone=data.in_recipient_zone,
    )
    if data.spread is not None:
        wanted = ScheduleInput(kind=ScheduleKind.SPREAD, at=data.spread.start, until=data.spread.until)
    done = services.schedule(
        current_session(), current_actor(), campaign_id=campaign_id, data=wanted, now=request_now()
    )
    return answer(ScheduledOut.model_validate(done))


@blueprint.post("/<uuid:campaign_id>/pause")
@may_write
@operation(tag=TAG, returns=CampaignOut, refuses=(404, 409))
def pause(campaign_id: UUID) -> Response:
    """Let nothing more of it leave until it is resumed."""
    services.pause(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())
    return _answer(campaign_id)


@blueprint.post("/<uuid:campaign_id>/resume")
@may_write
@operation(tag=TAG, returns=CampaignOut, refuses=(404, 409))
def resume(campaign_id: UUID) -> Response:
    """Go on, without a burst."""
    services.resume(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())
    return _answer(campaign_id)


@blueprint.post("/<uuid:campaign_id>/cancel")
@may_write
@operation(tag=TAG, returns=CampaignOut, refuses=(404, 409))
def cancel(campaign_id: UUID) -> Response:
    """Cancel what has not left."""
    services.cancel(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())
    return _answer(campaign_id)


@blueprint.get("/<uuid:campaign_id>/recipients")
@may_look
@operation(tag=TAG, query=RecipientQuery, returns=page_model(RecipientOut), refuses=(404,))
def recipients(campaign_id: UUID) -> Response:
    """List the people in it, or those behind one number."""
    query = read_query(RecipientQuery)
    session, actor = current_session(), current_actor()
    campaign = queries.campaign(session, actor, campaign_id=campaign_id)
    page = queries.recipients(session, actor, campaign=campaign, **query.model_dump())
    return page_answer(page, _recipient)


@blueprint.get("/<uuid:campaign_id>/recipients/<uuid:recipient_id>")
@may_look
@operation(tag=TAG, returns=DraftOut, refuses=(404,))
def recipient(campaign_id: UUID, recipient_id: UUID) -> Response:
    """Show one person's draft and its why."""
    session, actor = current_session(), current_actor()
    campaign = queries.campaign(session, actor, campaign_id=campaign_id)
    found = queries.recipient(session, actor, campaign=campaign, recipient_id=recipient_id)
    view = outreach.message(session, actor, message_id=found.message_id) if found.message_id else None
    shown = _recipient(found).model_dump()
    headers = {"ETag": etag(found.version)} if found.version is not None else {}
    return answer(
        DraftOut.model_validate({**shown, "body": view.body if view else "", "why": view.why if view else {}}),
        headers=headers,
    )


@blueprint.patch("/<uuid:campaign_id>/recipients/<uuid:recipient_id>")
@may_write
@operation(tag=TAG, body=DraftPatch, returns=RecipientOut, refuses=(404, 409))
def edit(campaign_id: UUID, recipient_id: UUID) -> Response:
    """Change one person's words; they must be approved again."""
    data = read_json(DraftPatch)
    session, actor = current_session(), current_actor()
    services.edit(
        session,
        actor,
        campaign_id=campaign_id,
        recipient_id=recipient_id,
        subject=data.subject,
        body=data.body,
        expected_version=expected_version(),
        now=request_now(),
    )
    campaign = queries.campaign(session, actor, campaign_id=campaign_id)
    found = queries.recipient(session, actor, campaign=campaign, recipient_id=recipient_id)
    return answer(_recipient(found), headers={"ETag": etag(found.version or 0)})


@blueprint.get("/<uuid:campaign_id>/report")
@may_look
@operation(tag=TAG, returns=CampaignReportOut, refuses=(404,))
def report(campaign_id: UUID) -> Response:
    """What became of everybody, and what they did."""
    session, actor = current_session(), current_actor()
    campaign = queries.campaign(session, actor, campaign_id=campaign_id)
    return answer(CampaignReportOut.model_validate(queries.report(session, actor, campaign=campaign)))
