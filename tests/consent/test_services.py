"""Recording consent, and addresses that get nothing any more."""

from datetime import timedelta

import pytest
from factories.contacts import consent, contact
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text, update
from sqlalchemy.exc import ProgrammingError

from crm.accounts.kinds import ActorKind
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent import queries, services
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, SuppressionReason
from crm.consent.models import ConsentEvent
from crm.contacts.queries import ContactNotFoundError
from crm.db import enter_workspace
from crm.errors import ConflictError, ForbiddenError, InvalidInputError
from crm.events import Handlers, OptedOut
from crm.interactions import queries as timeline

PROMO = ConsentPurpose.PROMOTIONAL
WITHDRAWN = ConsentAction.WITHDRAWN


@pytest.fixture
def heard(session):
    told = []
    session.info["handlers"] = Handlers([(OptedOut, lambda _session, event: told.append(event))])
    return told


def holds(session, actor, person, channel="email"):
    found = queries.states(session, actor, contact_ids=[person.id])[person.id].get((PROMO, channel))
    return found.action if found else None


def test_a_consent_is_kept_with_wording_source_and_who_noted_it(session, actor, now):
    person = contact(session, actor)
    consent(session, actor, person.id, wording="Yes, send me offers", wording_version="2026-1", note="paper form 12")
    (event,) = queries.history(session, actor, contact_id=person.id).items
    assert (event.wording, event.wording_version, event.note) == ("Yes, send me offers", "2026-1", "paper form 12")
    assert (event.source, event.user_name, event.happened_at) == ("form at the fair", "Giulia Ferri", now)


def test_a_consent_stands_on_the_timeline_and_is_no_exchange(session, actor):
    person = contact(session, actor)
    event = consent(session, actor, person.id)
    (entry,) = timeline.timeline(session, actor, contact_id=person.id).items
    assert (entry.kind, entry.source_kind, entry.source_id) == ("consent.changed", "consent_event", event.id)
    assert person.last_interaction_at is None
    assert queries.events(session, actor, event_ids=[entry.source_id])[event.id].purpose == PROMO


def test_a_withdrawal_ends_it_and_is_told(session, actor, now, heard):
    person = contact(session, actor)
    consent(session, actor, person.id, happened_at=now - timedelta(days=1))
    consent(session, actor, person.id, action=WITHDRAWN)
    assert holds(session, actor, person) is WITHDRAWN
    assert [(event.contact_id, event.purpose, event.channel) for event in heard] == [(person.id, PROMO, "email")]


def test_an_older_event_is_kept_and_changes_nothing(session, actor, now, heard):
    person = contact(session, actor)
    consent(session, actor, person.id)
    consent(session, actor, person.id, action=WITHDRAWN, happened_at=now - timedelta(days=300))
    assert holds(session, actor, person) is ConsentAction.GRANTED
    assert heard == []
    assert len(queries.history(session, actor, contact_id=person.id).items) == 2


def test_at_the_same_moment_the_withdrawal_wins(session, actor):
    person = contact(session, actor)
    consent(session, actor, person.id, action=WITHDRAWN)
    consent(session, actor, person.id)
    assert holds(session, actor, person) is WITHDRAWN


def test_the_state_can_be_rebuilt_from_the_events(session, actor, now):
    person = contact(session, actor)
    consent(session, actor, person.id, happened_at=now - timedelta(days=2))
    consent(session, actor, person.id, channel=None, action=WITHDRAWN)
    before = queries.states(session, actor, contact_ids=[person.id])
    services.rebuild(session, actor, contact_id=person.id)
    assert queries.states(session, actor, contact_ids=[person.id]) == before
    assert len(before[person.id]) == 2


@pytest.mark.parametrize(
    ("given", "field"),
    [({"source": "  "}, "source"), ({"basis": Basis.UNKNOWN}, "basis"), ({"days": 1}, "happened_at")],
)
def test_a_consent_without_origin_basis_or_past_is_refused(session, actor, now, given, field):
    person = contact(session, actor)
    happened_at = now + timedelta(days=given.pop("days", 0))
    with pytest.raises(InvalidInputError) as refused:
        consent(session, actor, person.id, happened_at=happened_at, **given)
    assert list(refused.value.fields) == [field]


def test_a_member_may_withdraw_on_the_own_page(session, actor, heard):
    person = contact(session, actor)
    member = Actor(workspace_id=actor.workspace_id, kind=ActorKind.MEMBER)
    consent(session, member, person.id, action=WITHDRAWN, channel=None, source="preference page")
    assert len(heard) == 1
    with pytest.raises(ForbiddenError):
        services.suppress(
            session,
            member,
            channel=ChannelKind.EMAIL,
            address_norm="x@example.com",
            reason=SuppressionReason.OPERATOR,
            now=person.created_at,
        )


def test_nobody_records_consent_of_a_person_of_another_workspace(session, actor, other_actor):
    person = contact(session, actor)
    enter_workspace(session, other_actor.workspace_id)
    with pytest.raises(ContactNotFoundError):
        consent(session, other_actor, person.id)


def test_the_database_itself_refuses_to_change_an_event(session, actor):
    person = contact(session, actor)
    consent(session, actor, person.id)
    with pytest.raises(ProgrammingError) as refused, session.begin_nested():
        session.execute(update(ConsentEvent).values(action=WITHDRAWN))
    assert isinstance(refused.value.orig, InsufficientPrivilege)


def suppress(session, actor, now, reason=SuppressionReason.OPERATOR, address="Ann@Example.com"):
    return services.suppress_typed(session, actor, channel=ChannelKind.EMAIL, address=address, reason=reason, now=now)


def test_a_suppressed_address_is_known_again_and_kept_as_a_hash_only(session, actor, now):
    row = suppress(session, actor, now)
    assert suppress(session, actor, now, reason=SuppressionReason.BOUNCED).id == row.id
    pairs = [("email", "ann@example.com"), ("email", "bea@example.com"), ("sms", "ann@example.com")]
    assert queries.suppressed(session, actor, pairs=pairs) == {("email", "ann@example.com")}
    assert "ann@" not in str(session.execute(text("select * from suppression")).all())


def test_another_workspace_hashes_with_another_key(session, actor, other_actor, now):
    row = suppress(session, actor, now)
    enter_workspace(session, other_actor.workspace_id)
    other = suppress(session, other_actor, now)
    assert row.address_hash != other.address_hash


def test_an_address_can_be_allowed_again_and_suppressed_again(session, actor, now):
    row = suppress(session, actor, now)
    services.lift(session, actor, suppression_id=row.id, now=now)
    assert queries.suppressed(session, actor, pairs=[("email", "ann@example.com")]) == set()
    assert suppress(session, actor, now).id != row.id


def test_an_erased_person_can_not_be_allowed_again(session, actor, now):
    row = suppress(session, actor, now, reason=SuppressionReason.ERASED)
    with pytest.raises(ConflictError):
        services.lift(session, actor, suppression_id=row.id, now=now)


def test_another_workspaces_suppression_is_unknown(session, actor, other_actor, now):
    row = suppress(session, actor, now)
    enter_workspace(session, other_actor.workspace_id)
    with pytest.raises(queries.SuppressionNotFoundError):
        services.lift(session, other_actor, suppression_id=row.id, now=now)
    assert queries.suppressions(session, other_actor).items == []
