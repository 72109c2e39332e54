"""Owns the words of Today: why each line of the queue is there, in the reader's language."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from flask import url_for

from crm.channels.base import ChannelKind
from crm.clock import local_day
from crm.contacts.words import FIELD_LABELS
from crm.desk.queue import Kind, Waiting
from crm.desk.ranking import WEIGHTS
from crm.interactions.rules.warmth import COLD
from crm.outreach.words import CHANNELS, reason_text
from crm.web.formats import clock_time, day, moment
from crm.web.formats import local as in_zone
from crm.web.i18n import _, lazy, ngettext

#: A quotation in a list stays on a line or two.
LONGEST_QUOTE: Final = 140

TABS: Final[tuple[tuple[str, Any, tuple[Kind, ...]], ...]] = (
    ("replies", lazy("Replies"), (Kind.REPLY,)),
    ("comments", lazy("Comments"), (Kind.COMPLAINT,)),
    ("messages", lazy("Messages"), (Kind.UNCERTAIN, Kind.HELD, Kind.BY_HAND)),
    ("drafts", lazy("Drafts"), (Kind.DRAFTS, Kind.REVIEW)),
    ("tasks", lazy("Promises and tasks"), (Kind.TASK,)),
    ("dates", lazy("Dates"), (Kind.DATE, Kind.CUSTOMER, Kind.ANNIVERSARY)),
    ("touch", lazy("Keep in touch"), (Kind.CADENCE, Kind.QUIET)),
    ("news", lazy("News"), (Kind.JOB, Kind.NEWS)),
    ("offers", lazy("Offers"), (Kind.OFFER,)),
)
"""(name in the address, label, kinds) of the tabs behind "All"."""

GROUPS: Final[tuple[tuple[Any, int], ...]] = (
    (lazy("Waiting for you"), WEIGHTS["held"]),
    (lazy("Today"), WEIGHTS["cadence"]),
    (lazy("When you have a moment"), 0),
)
"""The headings of the queue, and the least that the first reason of a line under each weighs."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the queue with its words; `since` is shown as "3 hours ago"."""

    row: Waiting
    url: str
    because: str
    icon: str
    tone: str
    last: str = ""
    name: str = ""
    since: datetime | None = None


def line(row: Waiting, *, now: datetime, tz: str) -> Line:
    """What the queue says about `row` at `now`."""
    return _SAID[row.kind](row, local_day(now, tz=tz))


def _reply(row: Waiting, today: date) -> Line:
    url = url_for("outreach.conversation", conversation_id=row.id)
    return Line(row, url, _waits(row.since, today), "corner-up-left", "accent", _quoted(row.text), row.name)


def _complaint(row: Waiting, _today: date) -> Line:
    text = _("Negative comment of %(day)s, nobody answered", day=day(row.since))
    last = " ".join(part for part in (_quoted(row.text), _channel(row.channel)) if part)
    return Line(row, _person(row), text, "message-2-exclamation", "bad", last, row.name or _("Somebody"))


def _uncertain(row: Waiting, _today: date) -> Line:
    text = _("It isn’t certain that the message of %(time)s arrived", time=moment(row.since))
    return Line(row, _message(row), text, "help-circle", "wait", _about(row), row.name)


def _held(row: Waiting, _today: date) -> Line:
    text = _("Held until you decide: %(reason)s", reason=reason_text(row.reason))
    last = ", ".join(part for part in (_about(row), _("agreed for %(time)s", time=moment(row.since))) if part)
    return Line(row, _message(row), text, "clock-pause", "wait", last, row.name)


def _by_hand(row: Waiting, _today: date) -> Line:
    text = _("You send this by hand: the text is ready")
    url = url_for("outreach.by_hand_card", message_id=row.id)
    return Line(row, url, text, "hand-click", "accent", _about(row), row.name, row.since)


def _offer(row: Waiting, _today: date) -> Line:
    text = ngettext("One person has not used the code yet", "%(num)d people have not used their code yet", row.count)
    last = _("Ends %(time)s", time=moment(row.until))
    return Line(row, url_for("loyalty.offer", offer_id=row.id), text, "gift", "wait", last, row.name)


def _cooled(row: Waiting, today: date) -> str:
    """The arithmetic of a fall: what warmth was right after the last word, what is left, and in how many days."""
    days = (today - in_zone(row.since).date()).days if row.since else 0
    fall = ngettext(
        "warmth %(before)s → %(score)s in one day",
        "warmth %(before)s → %(score)s in %(num)d days",
        days,
        before=row.total,
        score=row.count,
    )
    return _("Gone cold: %(fall)s", fall=fall) if row.count < COLD else _("Going cold: %(fall)s", fall=fall)


def _quiet(row: Waiting, today: date) -> Line:
    text = _("Not a word since %(day)s", day=day(row.since)) if row.since else _("Not a word yet")
    last = _cooled(row, today) if row.since else ""
    return Line(row, _person(row), text, "snowflake", "plain", last, row.name)


def _date(row: Waiting, _today: date) -> Line:
    return Line(row, _person(row), _("Birthday today"), "cake", "accent", "", row.name)


def _years(row: Waiting, today: date) -> int:
    return today.year - in_zone(row.until).year if row.until else 0


def _anniversary(row: Waiting, today: date) -> Line:
    text = ngettext("One year since your first contact", "%(num)d years since your first contact", _years(row, today))
    return Line(row, _person(row), text, "confetti", "accent", _("On %(day)s", day=day(row.until)), row.name)


def _customer(row: Waiting, today: date) -> Line:
    text = ngettext("A customer for one year today", "A customer for %(num)d years today", _years(row, today))
    last = _("Since “%(deal)s”, won on %(day)s", deal=row.text, day=day(row.until))
    return Line(row, _person(row), text, "confetti", "accent", last, row.name)


def _job(row: Waiting, _today: date) -> Line:
    text = _("New place: %(company)s since %(day)s", company=row.company, day=day(row.since_on))
    return Line(row, _person(row), text, "briefcase", "accent", row.text, row.name)


def _news(row: Waiting, _today: date) -> Line:
    about = row.company if row.is_company else row.name
    field = FIELD_LABELS.get(row.reason, row.reason)
    text = _("New about %(name)s: %(field)s", name=about, field=str(field).lower())
    where = _("found on %(site)s on %(day)s", site=_site(row.post_url), day=day(row.until))
    return Line(row, _person(row), text, "news", "plain", " ".join((_quoted(row.text), where)), row.name)


def _site(url: str) -> str:
    """The name of a site as people say it."""
    return (urlsplit(url).hostname or _("the web")).removeprefix("www.")


def _cadence(row: Waiting, _today: date) -> Line:
    text = ngettext("Time to be in touch: every day", "Time to be in touch: every %(num)d days", row.count)
    last = _("Last two-way contact on %(day)s", day=day(row.since)) if row.since else _("Never in touch yet")
    return Line(row, _person(row), text, "heart-handshake", "plain", last, row.name)


def _drafts(row: Waiting, _today: date) -> Line:
    url = url_for("campaigns.review", campaign_id=row.id)
    text = ngettext(
        "One draft of %(total)d waits for your review",
        "%(num)d drafts of %(total)d wait for your review",
        row.count,
        total=row.total,
    )
    last = _("Leaves %(time)s if approved", time=moment(row.until)) if row.until else ""
    return Line(row, url, text, "send", "accent", last, row.name, row.since)


def _review(row: Waiting, _today: date) -> Line:
    text = _("A message waits for your review")
    return Line(row, _message(row), text, "send", "accent", _about(row), row.name, row.since)


def _task(row: Waiting, today: date) -> Line:
    url = _person(row) if row.contact_id else url_for("interactions.edit_task", task_id=row.id)
    on = in_zone(row.until).date() if row.until else row.due_on
    late = on is not None and on < today
    when = _("due on %(day)s", day=day(on)) if late else _("due today")
    if row.until:
        when = f"{when}, {clock_time(row.until)}"
    text = _("You promised: %(title)s", title=row.text) if row.is_promise else row.text
    icon = "flag" if row.is_promise else "circle-check"
    name = row.name or _("For yourself")
    return Line(row, url, text, icon, "bad" if late else "wait", when, name)


def _person(row: Waiting) -> str:
    return url_for("contact_page.show", contact_id=row.contact_id) if row.contact_id else url_for("people.index")


def _message(row: Waiting) -> str:
    return url_for("outreach.message", message_id=row.id)


def _about(row: Waiting) -> str:
    return ", ".join(part for part in (_channel(row.channel), row.text) if part)


def _channel(channel: str) -> str:
    return str(CHANNELS[ChannelKind(channel)]) if channel in set(ChannelKind) else ""


def _quoted(text: str) -> str:
    words = " ".join(text.split())
    if len(words) > LONGEST_QUOTE:
        words = words[:LONGEST_QUOTE].rsplit(" ", 1)[0] + "…"
    return _("“%(words)s”", words=words) if words else ""


def _waits(since: datetime | None, today: date) -> str:
    days = (today - in_zone(since).date()).days if since else 1
    if days == 1:
        return _("Waits for your answer since yesterday")
    if days == 0:
        return _("Waits for your answer since %(time)s", time=clock_time(since))
    return _("Waits for your answer since %(day)s", day=day(since))


_SAID: Final[dict[Kind, Callable[[Waiting, date], Line]]] = {
    Kind.REPLY: _reply,
    Kind.COMPLAINT: _complaint,
    Kind.UNCERTAIN: _uncertain,
    Kind.HELD: _held,
    Kind.DRAFTS: _drafts,
    Kind.REVIEW: _review,
    Kind.BY_HAND: _by_hand,
    Kind.TASK: _task,
    Kind.DATE: _date,
    Kind.CUSTOMER: _customer,
    Kind.ANNIVERSARY: _anniversary,
    Kind.JOB: _job,
    Kind.CADENCE: _cadence,
    Kind.OFFER: _offer,
    Kind.NEWS: _news,
    Kind.QUIET: _quiet,
}
