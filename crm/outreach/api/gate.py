"""REST: "may I write?", for one person, for a list, and the pauses that answer no for everybody."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from flask import Response
from pydantic import AwareDatetime, Field

from crm.accounts import queries as accounts
from crm.accounts.guards import current_actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.outreach import queries, services
from crm.outreach.api.blueprint import blueprint, may_look, may_manage
from crm.outreach.moments import check_moment
from crm.outreach.reasons import sentence, way_sentence
from crm.outreach.rules import OUTLOOK, Disposition, Reason, Verdict, Way
from crm.web.api import ApiModel, answer, operation, read_json, read_query
from crm.web.i18n import translated
from crm.web.sessions import current_session, request_now

#: For how many people at most the gate is asked at once.
MOST_PEOPLE = 500
AskedPurpose = Literal["personal", "promotional", "service", "reply"]


class GateQuery(ApiModel):
    """What would be written, when, and from which account."""

    purpose: AskedPurpose = "personal"
    channel: ChannelKind = ChannelKind.EMAIL
    at: AwareDatetime | None = Field(None, description="Without it: now.")
    account_id: UUID | None = Field(None, description="Asks about the health and the pace of this account as well.")


class GateIn(GateQuery):
    """The same about several people at once."""

    contact_ids: list[UUID] = Field(min_length=1, max_length=MOST_PEOPLE)


class WarningOut(ApiModel):
    """Something to know before writing anyway."""

    reason: Reason
    sentence: str
    until: datetime | None


class GateOut(ApiModel):
    """May I write to this person: the machine reason, its sentence, until when, and the lawful way forward."""

    contact_id: UUID
    allowed: bool
    reason: Reason | None
    sentence: str
    until: datetime | None
    disposition: Disposition | None = Field(description="What would become of a message: skip, cancel, hold or defer.")
    way: Way
    way_sentence: str
    warnings: list[WarningOut]


class ReasonOut(ApiModel):
    """How many people one reason stops, and what to do about it."""

    reason: Reason
    sentence: str
    way: Way
    way_sentence: str
    count: int


class GateListOut(ApiModel):
    """The gate's answers for a list; people who don't exist, or whom the caller may not see, are `unknown`."""

    asked: int
    allowed: int
    reasons: list[ReasonOut] = Field(description="The most frequent first.")
    items: list[GateOut]
    unknown: list[UUID]


class PausesOut(ApiModel):
    """What of the workspace is paused."""

    sending_paused: bool
    promotions_paused: bool


@blueprint.get("/contacts/<uuid:contact_id>/gate")
@may_look
@operation(tag="messages", query=GateQuery, returns=GateOut, refuses=(404,))
def gate(contact_id: UUID) -> Response:
    """May I write to this person, for this purpose, on this channel?"""
    query = read_query(GateQuery)
    contacts.contact(current_session(), current_actor(), contact_id=contact_id)
    return answer(said(contact_id, verdicts_for(query, [contact_id])[contact_id]))


@blueprint.post("/gate")
@may_look
@operation(tag="messages", body=GateIn, returns=GateListOut, refuses=(404,))
def gate_of_list() -> Response:
    """May I write to these people? Nothing is written or planned by asking."""
    given = read_json(GateIn)
    wanted = list(dict.fromkeys(given.contact_ids))
    known = contacts.contacts(current_session(), current_actor(), contact_ids=wanted)
    found = verdicts_for(given, [key for key in wanted if key in known])
    return answer(listed(found, unknown=[key for key in wanted if key not in found]))


@blueprint.get("/pauses")
@may_look
@operation(tag="messages", returns=PausesOut)
def pauses() -> Response:
    """What is paused in the workspace."""
    return _paused()


@blueprint.post("/pauses/<any(promotions, sending):what>")
@may_manage
@operation(tag="messages", returns=PausesOut)
def pause(what: str) -> Response:
    """Let no promotion, or nothing at all, leave until it is resumed; pausing twice changes nothing."""
    services.pause_sending(current_session(), current_actor(), promotions_only=what == "promotions")
    return _paused()


@blueprint.delete("/pauses/<any(promotions, sending):what>")
@may_manage
@operation(tag="messages", returns=PausesOut)
def resume(what: str) -> Response:
    """Let it go again; what became too late meanwhile waits for a person, so there is no burst."""
    services.resume_sending(current_session(), current_actor(), promotions_only=what == "promotions", now=request_now())
    return _paused()


def said(contact_id: UUID, verdict: Verdict) -> GateOut:
    """A verdict in the reader's language."""
    return GateOut(
        contact_id=contact_id,
        allowed=verdict.allowed,
        reason=verdict.reason,
        sentence=translated(sentence(verdict.reason)) if verdict.reason else "",
        until=verdict.until,
        disposition=verdict.disposition,
        way=verdict.way,
        way_sentence=_way(verdict.way),
        warnings=[
            WarningOut(reason=warning.reason, sentence=translated(sentence(warning.reason)), until=warning.until)
            for warning in verdict.warnings
        ],
    )


def listed(found: Mapping[UUID, Verdict], *, unknown: list[UUID]) -> GateListOut:
    """Many verdicts with their reasons counted."""
    counts = Counter(verdict.reason for verdict in found.values() if verdict.reason is not None)
    return GateListOut(
        asked=len(found) + len(unknown),
        allowed=sum(verdict.allowed for verdict in found.values()),
        reasons=[
            ReasonOut(
                reason=reason,
                sentence=translated(sentence(reason)),
                way=OUTLOOK[reason][1],
                way_sentence=_way(OUTLOOK[reason][1]),
                count=count,
            )
            for reason, count in counts.most_common()
        ],
        items=[said(contact_id, verdict) for contact_id, verdict in found.items()],
        unknown=unknown,
    )


def _way(way: Way) -> str:
    return translated(way_sentence(way)) if way is not Way.NONE else ""


def verdicts_for(query: GateQuery, contact_ids: list[UUID]) -> dict[UUID, Verdict]:
    """The gate's answers to a question about people whom the caller may see."""
    now = request_now()
    if query.at is not None:
        check_moment(query.at, now=now, field="at")
    return queries.verdicts(
        current_session(),
        current_actor(),
        contact_ids=contact_ids,
        purpose=Purpose(query.purpose),
        channel=query.channel,
        at=query.at,
        account=query.account_id or queries.AnyAccount.ANY,
        now=now,
    )


def _paused() -> Response:
    house = accounts.workspace(current_session(), current_actor())
    return answer(PausesOut(sending_paused=house.sending_paused, promotions_paused=house.promotions_paused))
