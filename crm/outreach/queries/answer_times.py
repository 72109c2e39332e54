"""Reads how fast people had their answers: by channel, by colleague, by week."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts import queries as accounts
from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.clock import local_day
from crm.contacts import queries as contacts
from crm.outreach.answering import Speed, office_seconds, speeds
from crm.outreach.inbox_models import AnswerTime
from crm.outreach.models import Conversation
from crm.outreach.windows import Window, is_holiday_in

#: Weeks looked back at, and the newest answers within them that are counted.
WEEKS: Final = 12
MOST: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFigures:
    """Speeds over everything (None without answers) and by channel, colleague (by name) and Monday of the week."""

    total: Speed | None
    by_channel: Mapping[ChannelKind, Speed]
    by_colleague: Mapping[str, Speed]
    by_week: Mapping[date, Speed]
    is_capped: bool


def answer_figures(session: Session, actor: Actor, *, now: datetime) -> AnswerFigures:
    """The answers of the last weeks to people whom the actor may see; one statement of at most `MOST` rows."""
    house = accounts.workspace(session, actor)
    window = Window.of(house.window_start, house.window_end, house.window_days)
    is_holiday = is_holiday_in(house.country)
    rows = session.execute(
        select(AnswerTime.channel, AnswerTime.user_id, AnswerTime.asked_at, AnswerTime.answered_at, User.name)
        .join(Conversation, Conversation.id == AnswerTime.conversation_id)
        .outerjoin(User, User.id == AnswerTime.user_id)
        .where(
            AnswerTime.answered_at >= now - timedelta(weeks=WEEKS),
            contacts.about_visible(actor, Conversation.contact_id),
        )
        .order_by(AnswerTime.answered_at.desc(), AnswerTime.id.desc())
        .limit(MOST + 1)
    ).all()
    timed = [
        (
            row,
            (row.answered_at - row.asked_at).total_seconds(),
            office_seconds(row.asked_at, row.answered_at, window, tz=house.time_zone, is_holiday=is_holiday),
        )
        for row in rows[:MOST]
    ]
    everything = speeds(("", clock, office) for _row, clock, office in timed)
    return AnswerFigures(
        total=everything.get(""),
        by_channel=speeds((ChannelKind(row.channel), clock, office) for row, clock, office in timed),
        by_colleague=_named(speeds((_who(row.user_id, row.name), clock, office) for row, clock, office in timed)),
        by_week=speeds((_monday(row.answered_at, tz=house.time_zone), clock, office) for row, clock, office in timed),
        is_capped=len(rows) > MOST,
    )


def _who(user_id: UUID | None, name: str | None) -> str:
    return (name or "") if user_id else ""


def _named(found: dict[str, Speed]) -> dict[str, Speed]:
    return dict(sorted(found.items(), key=lambda pair: -pair[1].count))


def _monday(at: datetime, *, tz: str) -> date:
    day = local_day(at, tz=tz)
    return day - timedelta(days=day.weekday())
