"""REST: Today, the queue of whom to write to and why, and working through it."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from flask import Response
from pydantic import AwareDatetime, Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.sentences import N_
from crm.clock import local_day
from crm.desk.queue import Kind, Waiting, queue
from crm.desk.queue_words import line
from crm.desk.ranking import Ranked, ranked
from crm.desk.working import MOST_ITEMS, do, item_of, on_today, set_aside, tomorrow
from crm.errors import NotFoundError
from crm.web.api import ApiModel, answer, api_blueprint, operation, page_answer, page_model, read_json, read_query
from crm.web.paging import Page
from crm.web.sessions import current_session, request_now

blueprint = api_blueprint("today")

_ITEMS = "The `item` of each reason; those that wait no more are passed over."


class NothingWaitsError(NotFoundError):
    """None of the named reasons is on the caller's Today."""

    code = "waits_no_more"


class Whose(StrEnum):
    MINE = "mine"
    TEAM = "team"


class TodayQuery(ApiModel):
    who: Whose = Field(Whose.MINE, description="`mine`: what the caller or nobody looks after; `team`: everything.")
    kind: Kind | None = Field(None, description="Only reasons of this kind.")


class TodayReasonOut(ApiModel):
    item: str = Field(description="Its name for done, snooze and skip.")
    kind: Kind
    because: str = Field(description="Why, in the caller's language.")
    detail: str = Field(
        description="More about it, in the caller's language: their words, since when, how far it fell."
    )
    since: datetime | None = Field(description="Since when somebody waits.")
    due_on: date | None
    url: str = Field(description="The page where it is dealt with.")


class TodayLineOut(ApiModel):
    """One person, or one thing where nobody is known, with all reasons, the first one first."""

    name: str
    contact_id: UUID | None
    company: str
    is_key: bool
    weight: int = Field(description="What orders the lines, the heaviest first.")
    reasons: list[TodayReasonOut]


class TodayItemsIn(ApiModel):
    items: list[str] = Field(min_length=1, max_length=MOST_ITEMS, description=_ITEMS)


class SnoozeTodayIn(TodayItemsIn):
    until: AwareDatetime | None = Field(None, description="Null for tomorrow at eight, in the caller's zone.")


class SkipTodayIn(TodayItemsIn):
    reason: str = Field(min_length=1, max_length=200)


class TodayItemsOut(ApiModel):
    items: list[str] = Field(description="The reasons that it was done to.")


@blueprint.get("/today")
@operation(tag="today", query=TodayQuery, returns=page_model(TodayLineOut))
@requires(Permission.VIEW_OWN)
def read_today() -> Response:
    """List whom to write to and why, in the order of the page; at most 25 reasons of a kind, and so a single page."""
    session, actor, now, query = current_session(), current_actor(), request_now(), read_query(TodayQuery)
    found = queue(session, actor, is_mine=query.who is Whose.MINE, now=now)
    wanted = (row for kind, rows in found.items() if query.kind in {None, kind} for row in rows)
    today = local_day(now, tz=actor.time_zone)
    return page_answer(Page(ranked(wanted, today=today)), _line)


def _line(found: Ranked[Waiting]) -> TodayLineOut:
    first = found.first
    return TodayLineOut(
        name=first.name,
        contact_id=first.contact_id,
        company=first.company,
        is_key=any(row.is_key for row in found.reasons),
        weight=found.weight,
        reasons=[_reason(row) for row in found.reasons],
    )


def _reason(row: Waiting) -> TodayReasonOut:
    said = line(row, now=request_now(), tz=current_actor().time_zone)
    return TodayReasonOut(
        item=item_of(row),
        kind=row.kind,
        because=said.because,
        detail=said.last,
        since=row.since,
        due_on=row.due_on,
        url=said.url,
    )


def _named(items: list[str]) -> list[Waiting]:
    rows = on_today(current_session(), current_actor(), items=items, now=request_now())
    if not rows:
        raise NothingWaitsError(N_("This waits for you no more."))
    return rows


def _answer(rows: list[Waiting]) -> Response:
    return answer(TodayItemsOut(items=[item_of(row) for row in rows]))


@blueprint.post("/today/done")
@operation(tag="today", body=TodayItemsIn, returns=TodayItemsOut, refuses=(404,))
@requires(Permission.EDIT)
def done() -> Response:
    """Deal with reasons: conversations are closed, complaints answered, tasks done, the others not told again."""
    rows = _named(read_json(TodayItemsIn).items)
    for row in rows:
        do(current_session(), current_actor(), row=row, now=request_now())
    return _answer(rows)


@blueprint.post("/today/snooze")
@operation(tag="today", body=SnoozeTodayIn, returns=TodayItemsOut, refuses=(404,))
@requires(Permission.EDIT)
def snooze() -> Response:
    """Put reasons off until a moment ahead; something newer brings them back earlier."""
    data, actor, now = read_json(SnoozeTodayIn), current_actor(), request_now()
    rows = _named(data.items)
    until = data.until or tomorrow(now, tz=actor.time_zone)
    set_aside(current_session(), actor, rows=rows, until=until, reason="", now=now)
    return _answer(rows)


@blueprint.post("/today/skip")
@operation(tag="today", body=SkipTodayIn, returns=TodayItemsOut, refuses=(404,))
@requires(Permission.EDIT)
def skip() -> Response:
    """Skip reasons, with why; something newer brings them back."""
    data = read_json(SkipTodayIn)
    rows = _named(data.items)
    set_aside(current_session(), current_actor(), rows=rows, until=None, reason=data.reason, now=request_now())
    return _answer(rows)
