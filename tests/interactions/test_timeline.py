"""The timeline: dated when it happened, once, for those who may see it."""

from datetime import UTC, datetime, timedelta

import pytest
from factories.contacts import company, contact, interaction

from crm.accounts.kinds import Role
from crm.accounts.models import Membership, User
from crm.accounts.rules import Actor
from crm.contacts import queries as contact_queries
from crm.contacts import services as contact_services
from crm.db import enter_workspace, new_id
from crm.errors import ForbiddenError, InvalidInputError
from crm.events import Handlers, InteractionLogged, InteractionRemoved
from crm.interactions import queries, rules, services
from crm.interactions.kinds import Direction, InteractionKind, Visibility


@pytest.fixture
def heard(session):
    """The events of the timeline that were told."""
    told = []
    session.info["handlers"] = Handlers(
        [
            (InteractionLogged, lambda _session, event: told.append(event)),
            (InteractionRemoved, lambda _session, event: told.append(event)),
        ]
    )
    return told


@pytest.fixture
def marco(session, actor):
    """A colleague in sales."""
    address = f"{new_id().hex}@example.com"
    user = User(email=address, email_norm=address, name="Marco Bini", fs_uniquifier=new_id().hex, locale="en")
    session.add(user)
    session.flush()
    session.add(Membership(user_id=user.id, role=Role.SALES))
    session.flush()
    return Actor(workspace_id=actor.workspace_id, kind=actor.kind, role=Role.SALES, user_id=user.id, name="Marco Bini")


def test_what_happened_lands_at_its_own_date(session, actor, now):
    person = contact(session, actor)
    old = datetime(2019, 3, 4, 9, 30, tzinfo=UTC)
    interaction(session, actor, person.id, "call", happened_at=now - timedelta(days=1), body="Wants Germany too")
    interaction(session, actor, person.id, "meeting", happened_at=old)
    entries = queries.timeline(session, actor, contact_id=person.id).items
    assert [(entry.kind, entry.body, entry.author_name) for entry in entries] == [
        ("call", "Wants Germany too", "Giulia Ferri"),
        ("meeting", "", "Giulia Ferri"),
    ]


def test_an_old_entry_never_moves_the_last_exchange_back(session, actor, now):
    person = contact(session, actor)
    interaction(session, actor, person.id, "call", happened_at=now - timedelta(days=1))
    interaction(session, actor, person.id, "message.received", happened_at=datetime(2019, 1, 1, tzinfo=UTC))
    assert person.last_interaction_at == now - timedelta(days=1)
    assert person.last_inbound_at == datetime(2019, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["note", "like", "share", "follow", "points.earned", "consent.changed"])
def test_what_is_no_exchange_moves_no_date(session, actor, kind):
    person = contact(session, actor)
    interaction(session, actor, person.id, kind)
    assert person.last_interaction_at is None


def test_a_machines_message_moves_no_date(session, actor):
    person = contact(session, actor)
    interaction(session, actor, person.id, "message.received", is_automatic=True)
    assert person.last_interaction_at is None


def test_being_logged_about_is_no_edit_of_the_person(session, actor):
    person = contact(session, actor)
    interaction(session, actor, person.id, "call")
    session.refresh(person)
    assert person.version == 1


def test_the_same_event_of_a_platform_is_logged_and_told_once(session, actor, heard):
    person = contact(session, actor)
    given = {"channel": "mastodon", "external_id": "https://m.example/1"}
    first = interaction(session, actor, person.id, "comment", **given)
    again = interaction(session, actor, person.id, "comment", body="changed", **given)
    other = interaction(session, actor, person.id, "comment", channel="x", external_id="https://m.example/1")
    assert first.id == again.id != other.id
    assert [event.interaction_id for event in heard] == [first.id, other.id]


def test_the_event_says_what_loyalty_needs_to_know(session, actor, heard, now):
    person = contact(session, actor)
    interaction(session, actor, person.id, "comment", channel="instagram")
    event = heard[0]
    assert (event.contact_id, event.kind, event.channel, event.direction, event.happened_at) == (
        person.id,
        "comment",
        "instagram",
        Direction.INBOUND,
        now,
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"happened_at": datetime(2026, 11, 24, tzinfo=UTC)}, "happened_at"),
        ({"happened_at": datetime(2026, 11, 20)}, "happened_at"),  # noqa: DTZ001 - a time without a zone is the point.
        ({"external_id": "1"}, "channel"),
        ({"kind": "k" * 65}, "kind"),
    ],
)
def test_an_entry_that_can_not_be_is_refused(session, actor, given, field):
    person = contact(session, actor)
    with pytest.raises(InvalidInputError) as refused:
        interaction(session, actor, person.id, given.pop("kind", "call"), **given)
    assert list(refused.value.fields) == [field]


def test_nobody_logs_about_a_person_they_can_not_see(session, actor, other_actor):
    person = contact(session, actor)
    enter_workspace(session, other_actor.workspace_id)
    with pytest.raises(contact_queries.ContactNotFoundError):
        interaction(session, other_actor, person.id)


def test_a_private_note_is_its_authors_only(session, actor, marco):
    person = contact(session, actor)
    note = interaction(session, actor, person.id, "note", body="Careful", visibility=Visibility.PRIVATE)
    assert [entry.id for entry in queries.timeline(session, actor, contact_id=person.id).items] == [note.id]
    assert queries.timeline(session, marco, contact_id=person.id).items == []
    with pytest.raises(queries.InteractionNotFoundError):
        queries.entry(session, marco, interaction_id=note.id)


def test_removing_takes_the_entry_away_and_reads_the_dates_anew(session, actor, now, heard):
    person = contact(session, actor)
    interaction(session, actor, person.id, "call", happened_at=now - timedelta(days=9))
    latest = interaction(session, actor, person.id, "message.received")
    services.remove(session, actor, interaction_id=latest.id, now=now)
    services.remove(session, actor, interaction_id=latest.id, now=now)
    assert len(queries.timeline(session, actor, contact_id=person.id).items) == 1
    assert (person.last_interaction_at, person.last_inbound_at) == (now - timedelta(days=9), None)
    assert [type(event) for event in heard][-1] is InteractionRemoved
    assert len(heard) == 3


def test_people_remove_only_what_they_logged(session, actor, marco, now):
    person = contact(session, actor)
    row = interaction(session, actor, person.id)
    narrow = Actor(
        workspace_id=actor.workspace_id,
        kind=marco.kind,
        role=Role.SALES,
        user_id=marco.user_id,
        scopes=frozenset({"edit", "view_all"}),
    )
    with pytest.raises(ForbiddenError):
        services.remove(session, narrow, interaction_id=row.id, now=now)


def test_pages_of_the_timeline_hold_every_entry_once(session, actor, now):
    person = contact(session, actor)
    rows = [
        interaction(session, actor, person.id, "call", happened_at=now - timedelta(hours=n // 3)) for n in range(10)
    ]
    seen, after = [], None
    while True:
        page = queries.timeline(session, actor, contact_id=person.id, after=after, limit=3)
        seen += [entry.id for entry in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == sorted(row.id for row in rows)


def test_the_timeline_can_be_narrowed_to_kinds(session, actor):
    person = contact(session, actor)
    interaction(session, actor, person.id, "call")
    note = interaction(session, actor, person.id, "note", body="x")
    page = queries.timeline(
        session, actor, contact_id=person.id, where=queries.TimelineFilter(kinds=[InteractionKind.NOTE])
    )
    assert [entry.id for entry in page.items] == [note.id]


def test_a_company_shows_its_own_and_its_peoples_history(session, actor, now):
    firm = company(session, actor)
    ann, bea = contact(session, actor, company_id=firm.id), contact(session, actor, "Bea Sun", company_id=firm.id)
    contact(session, actor, "Cy Far")
    rows = [
        interaction(session, actor, ann.id, "call", happened_at=now - timedelta(hours=3)),
        interaction(session, actor, bea.id, "call", happened_at=now - timedelta(hours=2)),
        interaction(session, actor, None, "review", company_id=firm.id, happened_at=now - timedelta(hours=1)),
    ]
    interaction(session, actor, bea.id, "note", visibility=Visibility.PRIVATE, happened_at=now - timedelta(hours=9))
    where = queries.TimelineFilter(kinds=["call", "review"])
    first = queries.timeline(session, actor, company_id=firm.id, where=where, limit=2)
    rest = queries.timeline(session, actor, company_id=firm.id, where=where, limit=2, after=first.next)
    assert [entry.id for entry in [*first.items, *rest.items]] == [row.id for row in reversed(rows)]


def test_the_last_exchange_of_many_is_read_at_once(session, actor, now):
    ann, bea = contact(session, actor), contact(session, actor, "Bea Sun")
    interaction(session, actor, ann.id, "message.sent", channel="email", happened_at=now - timedelta(days=2))
    interaction(session, actor, ann.id, "note", body="x")
    found = queries.last_exchanges(session, actor, contact_ids=[ann.id, bea.id])
    assert {key: (value.kind, value.channel) for key, value in found.items()} == {ann.id: ("message.sent", "email")}


def test_many_entries_are_logged_in_their_order(session, actor, now):
    people = [contact(session, actor, f"P{n} X") for n in range(3)]
    entries = [
        services.Entry(kind="message.sent", contact_id=person.id, channel="email", happened_at=now, body=str(n))
        for n, person in enumerate(people)
    ]
    rows = services.log_many(session, actor, entries=entries, now=now)
    assert [row.contact_id for row in rows] == [person.id for person in people]
    assert {person.last_outbound_at for person in people} == {now}


def test_a_meeting_is_contact_both_ways():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    (seen,) = rules.last_seen([(new_id(), "meeting", Direction.NONE, False, at)])
    assert (seen.outbound, seen.inbound, seen.any) == (at, at, at)


def test_a_deleted_person_has_no_timeline(session, actor, now):
    person = contact(session, actor)
    interaction(session, actor, person.id)
    contact_services.delete(session, actor, contact_id=person.id, now=now)
    with pytest.raises(contact_queries.ContactNotFoundError):
        queries.timeline(session, actor, contact_id=person.id)


def test_an_answer_and_a_mood_are_noted_on_the_entry(session, actor, now):
    person = contact(session, actor)
    row = interaction(session, actor, person.id, "comment", body="Awful")
    services.set_sentiment(session, actor, interaction_id=row.id, sentiment="negative", now=now)
    services.mark_answered(session, actor, interaction_id=row.id, now=now)
    entry = queries.entry(session, actor, interaction_id=row.id)
    assert (entry.sentiment, entry.answered_at) == ("negative", now)
