"""Limiting the processing of a person's data: nothing leaves, nothing works by itself, and lifting it goes on."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from factories import contacts, loyalty, outreach
from factories.campaigns import segment
from sqlalchemy import func, select

from crm.accounts.kinds import Role
from crm.accounts.models import AuditEntry
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts import queries as people
from crm.contacts import services
from crm.contacts.kinds import FactOrigin, LimitGround
from crm.contacts.models import Contact
from crm.desk.queue import queue
from crm.desk.queue_sources import Kind
from crm.enrichment import services as enrichment
from crm.enrichment.kinds import SourceName
from crm.errors import ConflictError, ForbiddenError, InvalidInputError
from crm.interactions import services as timeline
from crm.interactions.keeping_models import Warmth
from crm.interactions.kinds import Sentiment
from crm.interactions.models import Interaction
from crm.interactions.services.warming import fade
from crm.lifecycle.services import erasing, merging
from crm.loyalty.models import Member
from crm.loyalty.services import RuleInput, create_rule
from crm.outreach import queries as gate
from crm.outreach.models import Message
from crm.outreach.rules import Reason
from crm.outreach.services.claim import claim
from crm.outreach.services.wave import wave
from crm.segments.models import SegmentMember
from crm.segments.services.refreshing import refresh


@pytest.fixture
def person(session, actor, now) -> Contact:
    return session.get_one(Contact, outreach.person(session, actor, "Zoe Wvutsrq", now=now))


def limit(session, actor, contact_id, *, now, **fields):
    given = {"ground": LimitGround.OBJECTION, "asked_on": now.date(), "note": "by letter", **fields}
    return services.limit_processing(session, actor, contact_id=contact_id, now=now, **given)


def lift(session, actor, contact_id, *, now):
    return services.lift_limit(session, actor, contact_id=contact_id, note="told by phone", now=now)


def state_of(session, message) -> tuple[str, str]:
    row = session.get_one(Message, message.id, populate_existing=True)
    return row.state, row.reason


@pytest.mark.parametrize("purpose", [Purpose.REPLY, Purpose.PERSONAL, Purpose.PROMOTIONAL, Purpose.SERVICE])
def test_the_gate_says_so_for_every_kind_of_message(session, actor, person, now, purpose):
    outreach.account(session, actor, now=now)
    limit(session, actor, person.id, now=now)
    asked = {"contact_id": person.id, "purpose": purpose, "channel": ChannelKind.EMAIL, "now": now}
    found = gate.verdict(session, actor, **asked)
    assert (found.reason, found.disposition, found.until) == (Reason.LIMITED, "hold", None)
    lift(session, actor, person.id, now=now)
    assert gate.verdict(session, actor, **asked).reason is not Reason.LIMITED


def test_what_is_scheduled_is_held_and_goes_on_when_the_limit_is_lifted(session, actor, person, now):
    outreach.account(session, actor, now=now)
    soon = outreach.message(session, actor, person.id, send_at=now + timedelta(hours=1), now=now)
    late = outreach.message(session, actor, person.id, send_at=now + timedelta(days=9), now=now)
    limit(session, actor, person.id, now=now)
    assert state_of(session, soon) == state_of(session, late) == ("held", "processing_limited")
    lift(session, actor, person.id, now=now + timedelta(days=2))
    assert (state_of(session, soon), state_of(session, late)) == (("held", "stale"), ("scheduled", ""))


def test_a_limit_that_comes_after_the_claim_counts_until_the_hand_over(session, actor, person, now):
    account = outreach.account(session, actor, now=now)
    message = outreach.message(session, actor, person.id, now=now)
    moment = now + timedelta(seconds=2)
    lease = timedelta(seconds=120)
    claimed = claim(session, actor, account_id=account.id, worker="test", lease=lease, now=moment)
    limit(session, actor, person.id, now=now)
    result = wave(session, actor, claimed=claimed, finished=[], following=claimed.items, now=moment)
    assert (len(claimed.items), result.started) == (1, [])
    assert state_of(session, message) == ("held", "processing_limited")


def test_nothing_is_looked_up_or_proposed(session, actor, person, now):
    person.company_id = contacts.company(session, actor, website="https://bo.example", now=now).id
    enrichment.set_switch(session, actor, name=SourceName.WEBSITE, is_on=True, now=now)
    limit(session, actor, person.id, now=now)
    with pytest.raises(services.ProcessingLimitedError):
        enrichment.request_run(session, actor, contact_id=person.id, now=now)
    asked = {"contact_id": person.id, "field": "city", "value": "Faenza", "source": "site", "now": now}
    assert services.suggest_fact(session, actor, **asked) is None
    assert services.record_fact(session, actor, origin=FactOrigin.FOUND, **asked) is None
    assert person.city == ""


def test_no_points_no_keyword_rules_and_no_warmth_until_it_is_lifted(session, actor, now):
    loyalty.program(session, actor, now=now - timedelta(days=2))
    member = loyalty.member(session, actor, name="Zoe Wvutsrq", now=now - timedelta(days=1))
    create_rule(session, actor, data=RuleInput(name="Visit", interaction_kind="visit", points=5), now=now)
    word = timeline.KeywordInput(phrase="deluso", sentiment=Sentiment.NEGATIVE)
    timeline.add_rule(session, actor, data=word, now=now)
    limit(session, actor, member.contact_id, now=now)
    contacts.interaction(session, actor, member.contact_id, "visit", body="deluso", happened_at=now, now=now)
    contacts.interaction(session, actor, member.contact_id, "meeting", happened_at=now, now=now)
    assert session.get_one(Member, member.id, populate_existing=True).balance == 0
    assert "negative" not in session.scalars(select(Interaction.sentiment)).all()
    warmth = select(func.count(Warmth.id)).where(Warmth.contact_id == member.contact_id)
    assert session.scalar(warmth) == 0
    lift(session, actor, member.contact_id, now=now)
    assert session.scalar(warmth) > 0


def test_the_warmth_of_before_does_not_fade_meanwhile(session, actor, person, now):
    contacts.interaction(session, actor, person.id, "meeting", happened_at=now, now=now)
    limit(session, actor, person.id, now=now)
    later = now + timedelta(days=60)
    assert fade(session, before=later, now=later, limit=10) == 0
    lift(session, actor, person.id, now=now)
    assert fade(session, before=later, now=later, limit=10) == 1


def test_rules_of_segments_do_not_judge_them(session, actor, person, now):
    other = contacts.contact(session, actor, "Ann Bo", city="Lugo", now=now)
    inside = segment(session, actor, {"field": "city", "op": "is", "value": "lugo"}, now=now)
    limit(session, actor, person.id, now=now)
    limit(session, actor, other.id, now=now)
    for one, city in ((person, "Lugo"), (other, "Faenza")):
        services.update(session, actor, contact_id=one.id, changes={"city": city}, now=now)
    members = select(SegmentMember.contact_id).where(SegmentMember.segment_id == inside.id)
    refresh(session, segment_id=inside.id, now=now)
    assert session.scalars(members).all() == [other.id]
    for one in (person, other):
        lift(session, actor, one.id, now=now)
    refresh(session, segment_id=inside.id, now=now)
    assert session.scalars(members).all() == [person.id]


def test_today_names_no_birthday_and_no_rhythm_of_theirs(session, actor, now):
    made = contacts.contact(session, actor, "Zoe Wvutsrq", birthday="--11-23", importance="key", now=now)
    shown = queue(session, actor, is_mine=False, now=now)
    assert made.id in {line.id for lines in shown.values() for line in lines}
    limit(session, actor, made.id, now=now)
    shown = queue(session, actor, is_mine=False, now=now)
    assert not any(shown[kind] for kind in (Kind.DATE, Kind.CADENCE, Kind.QUIET))


def test_of_two_records_either_limit_binds_and_an_undo_parts_them_again(session, actor, person, now):
    other = contacts.contact(session, actor, "Z. Wvutsrq", now=now)
    limit(session, actor, other.id, now=now)
    merged = merging.merge(session, actor, kept_id=person.id, other_id=other.id, now=now)
    session.refresh(person)
    assert person.limited_at == now
    assert [line.ground for line in people.limits_of(session, actor, contact_id=person.id)] == ["objection"]
    merging.undo_merge(session, actor, change_set_id=merged.change_set.id, now=now)
    session.expire_all()
    assert (person.limited_at, other.limited_at) == (None, now)
    merged = merging.merge(session, actor, kept_id=person.id, other_id=other.id, now=now)
    lift(session, actor, person.id, now=now)
    merging.undo_merge(session, actor, change_set_id=merged.change_set.id, now=now)
    session.expire_all()
    assert (person.limited_at, other.limited_at) == (None, None)


def test_a_second_limit_a_coming_day_a_missing_note_and_a_missing_right_are_refused(session, actor, person, now):
    with pytest.raises(InvalidInputError) as error:
        limit(session, actor, person.id, asked_on=date(2027, 1, 1), now=now)
    assert set(error.value.fields) == {"asked_on"}
    with pytest.raises(ConflictError):
        lift(session, actor, person.id, now=now)
    limit(session, actor, person.id, now=now)
    with pytest.raises(ConflictError):
        limit(session, actor, person.id, now=now)
    with pytest.raises(InvalidInputError) as error:
        services.lift_limit(session, actor, contact_id=person.id, note=" ", now=now)
    assert set(error.value.fields) == {"note"}
    with pytest.raises(ForbiddenError):
        lift(session, replace(actor, role=Role.SALES), person.id, now=now)


def test_erasing_takes_the_limit_along(session, actor, person, now):
    limit(session, actor, person.id, now=now)
    erasing.erase(session, actor, contact_id=person.id, confirm=None, now=now)
    session.expire_all()
    assert (people.limits_of(session, actor, contact_id=person.id), person.limited_at) == ([], None)


def test_the_audit_says_who_limited_and_lifted(session, actor, person, now):
    limit(session, actor, person.id, now=now)
    lift(session, actor, person.id, now=now)
    actions = select(AuditEntry.action).where(AuditEntry.object_id == person.id, AuditEntry.user_id == actor.user_id)
    assert {"contact.processing_limited", "contact.limit_lifted"} <= set(session.scalars(actions))


def test_the_pages_show_the_limit_and_take_it_back(client, session, person):
    session.commit()
    page = client.get(f"/contacts/{person.id}/personal-data").text
    assert "Only keep the data" in page
    wrong = client.post(f"/contacts/{person.id}/limit", data={"ground": "accuracy", "asked_on": "2999-01-01"})
    assert (wrong.status_code, "This day is still to come." in wrong.text) == (422, True)
    given = {"ground": "accuracy", "asked_on": "2026-01-05", "note": "<b>by letter</b>"}
    done = client.post(f"/contacts/{person.id}/limit", data=given, follow_redirects=True).text
    assert "&lt;b&gt;by letter&lt;/b&gt;" in done
    assert "Lift the limit" in done
    assert "Processing limited" in client.get(f"/contacts/{person.id}").text
    assert "Processing limited" in client.get("/contacts").text
    assert client.post(f"/contacts/{person.id}/lift-limit", data={"note": ""}).status_code == 422
    client.post(f"/contacts/{person.id}/lift-limit", data={"note": "told by phone"})
    assert "Processing limited" not in client.get(f"/contacts/{person.id}").text
    assert "told by phone" in client.get(f"/contacts/{person.id}/personal-data").text


def test_the_api_limits_lists_and_lifts(client, session, person):
    session.commit()
    at = f"/api/v1/contacts/{person.id}/limits"
    made = client.post(at, json={"ground": "claims", "asked_on": "2026-01-05"})
    assert (made.status_code, [line["ground"] for line in made.json["items"]]) == (201, ["claims"])
    assert client.get(f"/api/v1/contacts/{person.id}").json["limited_at"] == made.json["limited_at"]
    assert client.post(at, json={"ground": "claims", "asked_on": "2026-01-05"}).status_code == 409
    assert client.post(f"{at}/lift", json={"note": "told"}).json["limited_at"] is None
    assert client.get(at).json["items"][0]["lift_note"] == "told"
