"""REST: campaigns from the first choice of people to the report."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Response
from sqlalchemy.orm import Session

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.campaigns import queries, services
from crm.campaigns.api.shapes import (
    ApproveIn,
    AudienceOut,
    CampaignIn,
    CampaignOut,
    CampaignPatch,
    CampaignReportOut,
    CandidateOut,
    ChangedOut,
    DecideIn,
    DraftOut,
    DraftPatch,
    PicksIn,
    PreparedOut,
    RecipientOut,
    RecipientQuery,
    ScheduledOut,
    ScheduleIn,
    TextOut,
)
from crm.campaigns.inputs import PeopleInput, ScheduleInput, TextInput, WordsInput
from crm.campaigns.kinds import LeaverPolicy, Outcome, ScheduleKind
from crm.campaigns.models import Campaign
from crm.campaigns.queries import RecipientLine
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts.inputs import parsed
from crm.errors import ConflictError, worded
from crm.outreach import queries as outreach
from crm.outreach.services import Changed
from crm.web.api import (
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
        words = parsed(WordsInput, data.model_dump(include={"purpose", "channel", "account_id", "from_owner", "texts"}))
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
        raise ConflictError(worded("Somebody else has changed this meanwhile."), code="changed")
    given = data.model_fields_set
    if data.name is not None:
        services.rename(session, actor, campaign_id=campaign_id, name=data.name, now=now)
    if given & {"segment_id", "leavers", "holdout_percent"}:
        services.choose_people(session, actor, campaign_id=campaign_id, data=_people(campaign, data), now=now)
    if "offer_id" in given:
        services.choose_offer(session, actor, campaign_id=campaign_id, offer_id=data.offer_id, now=now)
    if given & {"texts", "purpose", "channel", "account_id", "from_owner"}:
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
    return parsed(
        WordsInput,
        {
            "purpose": Purpose.PERSONAL if personal else Purpose.PROMOTIONAL,
            "channel": data.channel or ChannelKind(campaign.channel),
            "account_id": data.account_id if "account_id" in data.model_fields_set else campaign.account_id,
            "from_owner": campaign.from_owner if data.from_owner is None else data.from_owner,
            # Without a text yet there is nothing to keep: the empty one is refused beside its field.
            "texts": data.texts or known or [TextInput(body="")],
        },
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
