"""Owns the why of a draft: which rules matched with the values seen, and what else a reviewer should know.

It is kept with the draft as plain values, and put into words when somebody reads it, in their language.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import ARRAY, Uuid, bindparam, func, lateral, select, true
from sqlalchemy.orm import Session

from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.campaigns.models import Campaign
from crm.campaigns.queries.people import Candidate
from crm.consent import queries as consent
from crm.consent.kinds import ConsentPurpose, Purpose
from crm.consent.rules import latest
from crm.filters.catalogue import BoundLeaf
from crm.filters.evaluate import Explained, YearDay
from crm.filters.schema import RuleError, parse
from crm.filters.sentence import clause, seen_text
from crm.filters.values import Money
from crm.interactions import queries as interactions
from crm.interactions.models import Interaction
from crm.outreach import queries as outreach
from crm.segments import queries as segments
from crm.segments.kinds import SegmentKind
from crm.segments.queries.why import explain_people

LAST: Final = 5


@dataclass(frozen=True, slots=True)
class WhyLine:
    """One thing that brought a person into the audience: what was asked, what was seen, and the rule in words."""

    label: str
    seen: str
    rule: Markup


def reasons(
    session: Session, actor: Actor, *, campaign: Campaign, candidates: Sequence[Candidate], now: datetime
) -> dict[UUID, dict[str, Any]]:
    """The why of each candidate, ready to be kept: rules, hand pick, last interactions, basis, budget, other plans."""
    ids = [person.contact.id for person in candidates]
    rules = _rules(session, actor, campaign=campaign, ids=ids, now=now)
    last = _last_interactions(session, actor, ids)
    states = consent.states(session, actor, contact_ids=ids)
    budgets = outreach.budgets(session, actor, contact_ids=ids, now=now)
    planned = outreach.planned_for(session, actor, contact_ids=ids)
    purpose = ConsentPurpose(campaign.purpose) if campaign.purpose in _ASKED else None
    result: dict[UUID, dict[str, Any]] = {}
    for person in candidates:
        contact_id = person.contact.id
        state = latest(states[contact_id], purpose, campaign.channel) if purpose else None
        result[contact_id] = {
            "picked": person.picked,
            "rules": rules.get(contact_id, []),
            "interactions": last.get(contact_id, []),
            "basis": {"basis": state.basis.value, "since": state.since.isoformat()} if state else {},
            "budget": {"used": budgets[contact_id].used, "limit": budgets[contact_id].limit},
            "planned": [
                {"message_id": str(line.id), "purpose": line.purpose.value, "at": _iso(line.planned_at)}
                for line in planned[contact_id][:LAST]
            ],
        }
    return result


_ASKED: Final = (Purpose.PROMOTIONAL.value, Purpose.PERSONAL.value)


def _rules(
    session: Session, actor: Actor, *, campaign: Campaign, ids: Sequence[UUID], now: datetime
) -> dict[UUID, list[dict[str, Any]]]:
    if campaign.segment_id is None or not ids:
        return {}
    segment = segments.segment(session, actor, segment_id=campaign.segment_id)
    if segment.kind != SegmentKind.LIVE:
        return {}
    bound = segments.bound_rule(session, parse(segment.rule), workspace_id=actor.workspace_id)
    explained = explain_people(session, segments.context_of(session, actor, now=now), bound, ids)
    return {contact_id: list(_matched(node, segment.rule)) for contact_id, node in explained.items()}


def _matched(node: Explained, rule: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The conditions that hold, as JSON with what was seen; a denied group stands as a whole."""
    if not node.holds:
        return
    if node.leaf is not None:
        yield {"rule": _at(rule, node.leaf.path), "seen": remember(node.seen)}
    elif node.group is not None and node.group.denied:
        yield {"rule": _at(rule, node.group.path), "seen": None}
    else:
        for child in node.children:
            yield from _matched(child, rule)


def _at(rule: Mapping[str, Any], path: Sequence[str | int]) -> Any:
    found: Any = {key: value for key, value in rule.items() if key != "version"}
    for step in path:
        found = found[step]
    return found


def remember(seen: Any) -> Any:
    """A value seen, as JSON that `recall` reads back to the same type."""
    if seen is None or isinstance(seen, bool | int | float | str):
        return seen
    if isinstance(seen, Collection) and not isinstance(seen, YearDay):
        return [remember(value) for value in seen]
    match seen:
        case YearDay():
            return {"is": "year_day", "value": [seen.month, seen.day]}
        case datetime() | date():
            return {"is": "datetime" if isinstance(seen, datetime) else "date", "value": seen.isoformat()}
        case Money():
            return {"is": "money", "value": seen.model_dump(mode="json")}
        case _:
            return str(seen)


def recall(kept: Any) -> Any:
    """What `remember` was given; ids come back as text, which is how rules name them."""
    if isinstance(kept, list):
        return [recall(value) for value in kept]
    if not isinstance(kept, dict):
        return kept
    value = kept["value"]
    readers = {
        "year_day": lambda: YearDay(*value),
        "datetime": lambda: datetime.fromisoformat(value),
        "date": lambda: date.fromisoformat(value),
        "money": lambda: Money.model_validate(value),
    }
    return readers[kept["is"]]()


def worded(session: Session, actor: Actor, *, why: Mapping[str, Any]) -> list[WhyLine]:
    """The rules of a kept why in the reader's language; a rule whose field is gone since then is left out."""
    tz = session.get_one(Workspace, actor.workspace_id).time_zone
    found: list[WhyLine] = []
    for kept in why.get("rules", ()):
        try:
            bound = segments.bound_rule(session, parse(kept["rule"]), workspace_id=actor.workspace_id)
        except RuleError:
            continue
        labels = segments.labels_of(session, actor, bound)
        is_leaf = isinstance(bound, BoundLeaf)
        found.append(
            WhyLine(
                label=str(bound.field.label) if is_leaf else "",
                seen=seen_text(bound, recall(kept["seen"]), labels, tz=tz) if is_leaf else "",
                rule=clause(bound, labels),
            )
        )
    return found


def _last_interactions(session: Session, actor: Actor, ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The newest entries of many people by one index range each; ids and kinds only, the words stay where they are."""
    people = func.unnest(bindparam("people", list(ids), ARRAY(Uuid()))).table_valued("id").render_derived("people")
    newest = lateral(
        select(Interaction.id, Interaction.kind, Interaction.direction, Interaction.happened_at)
        .where(Interaction.contact_id == people.c.id, interactions.readable(actor))
        .order_by(Interaction.happened_at.desc(), Interaction.id.desc())
        .limit(LAST)
    )
    found: dict[UUID, list[dict[str, Any]]] = {}
    for contact_id, entry_id, kind, direction, at in session.execute(
        select(people.c.id, newest.c.id, newest.c.kind, newest.c.direction, newest.c.happened_at).join(newest, true())
    ):
        found.setdefault(contact_id, []).append(
            {"id": str(entry_id), "kind": kind, "direction": direction, "at": at.isoformat()}
        )
    return found


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
