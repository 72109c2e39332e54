"""Merging two people and taking it back: everybody has what they had, and what happened later stays."""

from contextlib import suppress
from datetime import timedelta

import pytest
from factories import contacts as make
from factories import deals as dealing
from factories import loyalty as club
from factories import outreach as post
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, text, update

from crm.accounts.kinds import ActorKind, Role
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose
from crm.consent.merging import objects, strictest
from crm.consent.rules import State
from crm.contacts import queries, services
from crm.contacts.custom_inputs import CustomFieldInput
from crm.contacts.kinds import ChangeSetKind, CustomType, LinkKind
from crm.contacts.limit_models import ProcessingLimit
from crm.contacts.models import Affiliation, Contact, ContactAccess, ContactLink, Handle
from crm.db import new_id
from crm.deals import services as deals
from crm.enrichment.models import EnrichmentRun
from crm.errors import ForbiddenError, InvalidInputError
from crm.interactions.keeping_models import SetAside
from crm.interactions.models import TaskLink
from crm.interactions.services import keeping
from crm.interactions.services.keeping import CadenceInput
from crm.lifecycle.kinds import Effect
from crm.lifecycle.merge_models import NotSame
from crm.lifecycle.movers import MOVERS
from crm.lifecycle.restorable import TABLES
from crm.lifecycle.services import changes, merging
from crm.lifecycle.services.changes import RowChange
from crm.loyalty import services as loyalty
from crm.loyalty.queries.verify import verify
from crm.models import metadata
from crm.outreach.kinds import MessageState
from crm.outreach.models import Attempt, Batch, BudgetUse, Conversation, Message
from crm.outreach.services import BlockedError
from crm.segments.models import Segment, SegmentChange, SegmentMember, SegmentPick

NOW = make.NOW
LATER = NOW + timedelta(hours=1)
APPEND_ONLY = sorted(name for name, table in metadata.tables.items() if table.info.get("append_only"))


@pytest.fixture
def pair(session, actor):
    """Two records of one person, each with an address."""
    kept = make.contact(session, actor, "Anna Rossi", email="anna@rossi.example.com", city="Faenza")
    other = make.contact(session, actor, "A. Rossi", email="a.rossi@bottega.example.com", title="Owner", city="Lugo")
    return kept, other


def merge(session, actor, pair, **choices):
    return merging.merge(session, actor, kept_id=pair[0].id, other_id=pair[1].id, choices=choices, now=NOW)


def undo(session, actor, merged, now=LATER):
    return merging.undo_merge(session, actor, change_set_id=merged.change_set.id, now=now)


# --- what a merge does -------------------------------------------------------------------------------------------


def test_values_are_chosen_field_by_field_and_an_empty_one_never_wins(session, actor, pair):
    kept, other = pair
    merge(session, actor, pair, city="other")
    session.refresh(kept)
    assert (kept.first_name, kept.title, kept.city, kept.city_norm) == ("Anna", "Owner", "Lugo", "lugo")
    session.refresh(other)
    assert (other.merged_into_id, other.deleted_at) == (kept.id, NOW)
    facts, _suggested = queries.facts_of(session, actor, contact_id=kept.id)
    assert {name: fact.value for name, fact in facts.items()}.items() >= {"city": "Lugo", "title": "Owner"}.items()


def test_addresses_go_over_and_the_main_one_can_be_chosen(session, actor, pair):
    kept, _other = pair
    merged = merge(session, actor, pair)
    session.refresh(kept)
    assert kept.email == "anna@rossi.example.com"
    undo(session, actor, merged)
    merge(session, actor, pair, email="other")
    session.refresh(kept)
    assert kept.email == "a.rossi@bottega.example.com"
    primary = select(Handle.address).where(Handle.contact_id == kept.id, Handle.is_primary)
    assert session.scalars(primary).all() == ["a.rossi@bottega.example.com"]


def test_a_link_between_both_disappears_and_one_to_the_same_person_is_one(session, actor, pair):
    kept, other = pair
    third = make.contact(session, actor, "Third One")
    for one, two in ((kept, other), (kept, third), (other, third), (third, other)):
        services.link(session, actor, contact_id=one.id, other_id=two.id, kind=LinkKind.KNOWS, now=NOW)
    merge(session, actor, pair)
    assert set(session.execute(select(ContactLink.contact_id, ContactLink.other_id)).all()) == {
        (kept.id, third.id),
        (third.id, kept.id),
    }


@pytest.mark.parametrize("taken", ["kept", "other"])
def test_there_is_one_primary_company_the_chosen_one(session, actor, pair, taken):
    kept, other = pair
    one, two = make.company(session, actor, "One"), make.company(session, actor, "Two")
    services.update(session, actor, contact_id=kept.id, changes={"company_id": one.id}, now=NOW)
    services.update(session, actor, contact_id=other.id, changes={"company_id": two.id}, now=NOW)
    merged = merge(session, actor, pair, company_id=taken)
    session.refresh(kept)
    chosen = two if taken == "other" else one
    assert kept.company_id == chosen.id
    places = select(Affiliation.company_id, Affiliation.is_primary).where(Affiliation.contact_id == kept.id)
    assert dict(session.execute(places).all()) == {one.id: chosen is one, two.id: chosen is two}
    undo(session, actor, merged)
    session.refresh(kept)
    session.refresh(other)
    assert (kept.company_id, other.company_id) == (one.id, two.id)


def test_points_go_over_by_the_ledger_and_its_laws_hold(session, actor, pair):
    ann, bob = club.member(session, actor, points=100), club.member(session, actor, name="Bob", points=40)
    club.earn(session, actor, bob.id, 7, pending=True)
    people = session.get(Contact, ann.contact_id), session.get(Contact, bob.contact_id)
    merged = merge(session, actor, people)
    session.refresh(ann)
    session.refresh(bob)
    assert merged.effects[Effect.POINTS] == 47
    assert (ann.balance, ann.pending, bob.balance, bob.pending) == (140, 7, 0, 0)
    assert verify(session, actor).discrepancies == []
    undone = undo(session, actor, merged)
    session.refresh(ann)
    session.refresh(bob)
    assert (ann.balance, ann.pending, bob.balance, bob.pending) == (100, 0, 40, 7)
    assert (undone.missing_points, bob.left_at) == (0, None)
    assert verify(session, actor).discrepancies == []


def test_points_that_were_spent_meanwhile_are_said_to_be_missing(session, actor):
    ann, bob = club.member(session, actor, points=100), club.member(session, actor, name="Bob", points=40)
    people = session.get(Contact, ann.contact_id), session.get(Contact, bob.contact_id)
    merged = merge(session, actor, people)
    club.spend(session, actor, ann.id, 125)
    undone = undo(session, actor, merged)
    session.refresh(ann)
    session.refresh(bob)
    assert (ann.balance, bob.balance, undone.missing_points) == (0, 15, 25)
    assert verify(session, actor).discrepancies == []


@pytest.mark.parametrize(("mine", "theirs"), [(-30, 100), (100, -30), (-30, -20), (-100, 30)])
def test_a_debt_goes_over_and_comes_back(session, actor, mine, theirs):
    members = []
    for name, points in (("Ann", mine), ("Bob", theirs)):
        row = club.member(session, actor, name=name, points=max(points, 0))
        if points < 0:
            earned = club.earn(session, actor, row.id, -points)
            club.spend(session, actor, row.id, -points)
            loyalty.reverse(
                session, actor, entry_id=earned.id, reason="mistake", idempotency_key=club.key(), now=club.NOW
            )
        members.append(row)
    people = [session.get(Contact, row.contact_id) for row in members]
    merged = merge(session, actor, people)
    session.refresh(members[0])
    assert members[0].balance == mine + theirs
    assert verify(session, actor).discrepancies == []
    undone = undo(session, actor, merged)
    for row in members:
        session.refresh(row)
    assert [row.balance for row in members] == [mine, theirs]
    assert undone.missing_points == 0
    assert verify(session, actor).discrepancies == []


def scheduled(session, actor, person, batch=None, **fields):
    row = post.message(session, actor, person.id, send_at=NOW + timedelta(days=1), **fields)
    if batch is not None:
        session.execute(update(Message).where(Message.id == row.id).values(batch_id=batch.id))
    session.refresh(row)
    return row


@pytest.fixture
def account(session, actor):
    return post.account(session, actor)


def test_of_two_waiting_messages_of_one_campaign_one_goes_and_undo_lets_it_wait_again(session, actor, pair, account):
    batch = Batch(name="News")
    session.add(batch)
    session.flush()
    mine, theirs = (scheduled(session, actor, person, batch) for person in pair)
    alone = scheduled(session, actor, pair[1])
    state = theirs.state
    merged = merge(session, actor, pair)
    for row in (mine, theirs, alone):
        session.refresh(row)
    assert (mine.state, theirs.state, theirs.reason, alone.state) == (state, MessageState.CANCELLED, "merged", state)
    assert {mine.contact_id, theirs.contact_id, alone.contact_id} == {pair[0].id}
    assert merged.effects[Effect.DOUBLES] == 1
    undo(session, actor, merged)
    for row in (mine, theirs, alone):
        session.refresh(row)
    assert (theirs.state, theirs.reason, theirs.contact_id, mine.contact_id) == (state, "", pair[1].id, pair[0].id)


def test_a_message_that_consent_kept_back_does_not_go_because_the_other_record_agreed(session, actor, pair, account):
    kept, other = pair
    make.consent(session, actor, kept.id)
    waiting = scheduled(session, actor, other, purpose=Purpose.PERSONAL)
    session.execute(update(Message).where(Message.id == waiting.id).values(purpose="promotional"))
    merged = merge(session, actor, pair)
    session.refresh(waiting)
    assert (waiting.state, waiting.reason) == (MessageState.SKIPPED, "consent_missing")
    assert merged.effects[Effect.SKIPPED] == 1


def test_an_objection_on_either_record_holds_also_against_a_newer_agreement(session, actor, pair):
    kept, other = pair
    make.consent(session, actor, other.id, action=ConsentAction.WITHDRAWN, channel=None, happened_at=NOW - timedelta(2))
    make.consent(session, actor, kept.id, happened_at=NOW - timedelta(1))
    merged = merge(session, actor, pair)
    from crm.consent import queries as consent

    held = consent.states(session, actor, contact_ids=[kept.id])[kept.id]
    assert objects(held, ConsentPurpose.PROMOTIONAL, "email")
    assert merged.effects[Effect.OPT_OUTS] == 1
    undo(session, actor, merged)
    held = consent.states(session, actor, contact_ids=[kept.id])[kept.id]
    assert not objects(held, ConsentPurpose.PROMOTIONAL, "email")
    from crm.consent.services import rebuild

    rebuild(session, actor, contact_id=kept.id)
    assert consent.states(session, actor, contact_ids=[kept.id])[kept.id] == held


moments = st.integers(0, 3).map(lambda days: NOW - timedelta(days=days))
held_states = st.dictionaries(
    st.tuples(st.sampled_from(ConsentPurpose), st.sampled_from(["", "email", "telegram"])),
    st.builds(State, action=st.sampled_from(ConsentAction), basis=st.sampled_from(Basis), since=moments),
)


@given(held_states, held_states)
@settings(max_examples=150)
def test_the_strictest_of_both_objects_wherever_one_does(kept, other):
    both = strictest(kept, other, now=NOW + timedelta(minutes=1))
    for purpose in ConsentPurpose:
        for channel in ("", "email", "telegram", "mastodon"):
            either = objects(kept, purpose, channel) or objects(other, purpose, channel)
            assert objects(both, purpose, channel) or not either


def test_left_out_by_hand_on_one_record_stays_left_out(session, actor, pair):
    segment = Segment(name="VIP", rule={}, kind="picked", members=2)
    session.add(segment)
    session.flush()
    for person, mode in zip(pair, ("added", "removed"), strict=True):
        session.add(SegmentPick(segment_id=segment.id, contact_id=person.id, mode=mode))
        session.add(SegmentMember(segment_id=segment.id, contact_id=person.id, entered_at=NOW))
    session.flush()
    merged = merge(session, actor, pair)
    assert session.execute(select(SegmentPick.contact_id, SegmentPick.mode)).all() == [(pair[0].id, "removed")]
    session.refresh(segment)
    assert segment.members == 1
    undo(session, actor, merged)
    session.refresh(segment)
    assert segment.members == 2
    assert session.scalar(select(func.count()).select_from(SegmentPick)) == 2


def test_who_went_up_earlier_leads_to_the_one_that_remains_and_back(session, actor, pair):
    kept, other = pair
    first = make.contact(session, actor, "Oldest One")
    merging.merge(session, actor, kept_id=other.id, other_id=first.id, now=NOW)
    merged = merge(session, actor, pair)
    session.refresh(first)
    assert first.merged_into_id == kept.id
    undo(session, actor, merged)
    session.refresh(first)
    assert first.merged_into_id == other.id


def test_after_an_undo_the_last_exchange_is_the_last_of_each_timeline(session, actor, pair):
    kept, other = pair
    newer, older = NOW - timedelta(days=1), NOW - timedelta(days=2)
    make.interaction(session, actor, other.id, happened_at=newer)
    merged = merge(session, actor, pair)
    make.interaction(session, actor, kept.id, happened_at=older)
    undo(session, actor, merged)
    for person in pair:
        session.refresh(person)
    assert (kept.last_interaction_at, other.last_interaction_at) == (older, newer)


# --- what is refused ---------------------------------------------------------------------------------------------


def test_what_can_not_be_merged_is_refused_with_its_reason(session, actor, pair):
    kept, other = pair
    third = make.contact(session, actor, "Third One")
    with pytest.raises(merging.NotMergeableError, match="same"):
        merging.merge(session, actor, kept_id=kept.id, other_id=kept.id, now=NOW)
    with pytest.raises(InvalidInputError):
        merge(session, actor, pair, version="other")
    with pytest.raises(InvalidInputError):
        merge(session, actor, pair, city="both")
    merge(session, actor, pair)
    with pytest.raises(merging.NotMergeableError, match="merged"):
        merge(session, actor, (third, other))
    services.delete(session, actor, contact_id=third.id, now=NOW)
    with pytest.raises(merging.NotMergeableError, match="deleted"):
        merge(session, actor, (kept, third))
    third.erased_at = NOW
    session.flush()
    with pytest.raises(merging.NotMergeableError, match="erased"):
        merge(session, actor, (third, kept))


def test_who_may_not_merge_or_not_see_one_of_them_is_refused(session, actor, pair, other_house):
    viewer = Actor(workspace_id=actor.workspace_id, kind=ActorKind.USER, role=Role.VIEWER, user_id=actor.user_id)
    with pytest.raises(ForbiddenError):
        merge(session, viewer, pair)
    hidden = make.contact(session, actor, "Hidden One")
    with pytest.raises(queries.ContactNotFoundError):
        merging.merge(session, actor, kept_id=pair[0].id, other_id=other_house.user.id, now=NOW)
    assert hidden.merged_into_id is None


def test_an_undo_is_refused_when_the_person_went_on(session, actor, pair):
    kept, _other = pair
    third = make.contact(session, actor, "Third One")
    first = merge(session, actor, pair)
    second = merging.merge(session, actor, kept_id=third.id, other_id=kept.id, now=NOW)
    with pytest.raises(merging.NotMergeableError, match="another merge"):
        undo(session, actor, first)
    undo(session, actor, second)
    undo(session, actor, first)
    with pytest.raises(changes.NotUndoableError, match="already"):
        undo(session, actor, first)


# --- undo brings everything back -------------------------------------------------------------------------------------

DERIVED = [*TABLES, "segment"]
_LEFT_OUT = {"version", "updated_at", "search"}


def state(session):
    """Every row of the tables that a merge may change; of lots and members what they hold together."""
    session.flush()
    found = {}
    for table in DERIVED:
        if table == "lot":
            continue
        rows = session.execute(text(f"select to_jsonb(x) as row from {table} x")).scalars()  # noqa: S608
        found[table] = {row["id"]: {k: v for k, v in row.items() if k not in _LEFT_OUT} for row in rows}
    holds = "select member_id, expires_at, is_pending, sum(remaining) from lot where remaining > 0 group by 1, 2, 3"
    found["lot"] = {tuple(map(str, row)): None for row in session.execute(text(holds))}
    return found


def sizes(session):
    return {table: session.scalar(select(func.count()).select_from(metadata.tables[table])) for table in APPEND_ONLY}


def totals(session):
    return dict(session.execute(text("select account, sum(points) from posting group by account")).all())


@pytest.fixture
def world(session, actor, account):
    """What both people may meet: a third person, companies, a programme, an offer, a segment, a campaign."""
    club.program(session, actor)
    segment = Segment(name="VIP", rule={}, kind="frozen", members=0)
    batch = Batch(name="News")
    session.add_all([segment, batch])
    session.flush()
    dealing.pipeline(session, actor)
    services.create_custom_field(session, actor, data=CustomFieldInput(label="Budget", type=CustomType.NUMBER), now=NOW)
    services.create_custom_field(session, actor, data=CustomFieldInput(label="Boss", type=CustomType.CONTACT), now=NOW)
    campaign = session.execute(
        text("insert into campaign (id, workspace_id, name) values (gen_random_uuid(), :w, 'Spring') returning id"),
        {"w": actor.workspace_id},
    ).scalar_one()
    return {
        "account": account,
        "third": make.contact(session, actor, "Third One"),
        "companies": [make.company(session, actor, "One"), make.company(session, actor, "Two")],
        "offer": club.offer(session, actor, limit_per_person=50),
        "segment": segment,
        "batch": batch,
        "campaign": campaign,
        "deal": dealing.deal(session, actor),
    }


def furnish(session, actor, world, person, kind, number):
    """Give a person one thing of a kind."""
    ids = {"contact_id": person.id}
    flag = bool(number % 2)
    if kind == "address":
        address = f"x{number}-{person.id.hex[-8:]}@example.com"
        make.handle(session, actor, person.id, address=address, is_primary=flag)
    elif kind == "company":
        company = world["companies"][number % 2]
        services.update(session, actor, contact_id=person.id, changes={"company_id": company.id}, now=NOW)
    elif kind == "place":
        company = world["companies"][number % 2]
        services.add_affiliation(
            session, actor, contact_id=person.id, company_id=company.id, role="x" * (number % 3), now=NOW
        )
    elif kind == "link":
        ends = (person.id, world["third"].id) if flag else (world["third"].id, person.id)
        services.link(session, actor, contact_id=ends[0], other_id=ends[1], kind=LinkKind.KNOWS, now=NOW)
    elif kind == "tags":
        services.set_tags(session, actor, contact_id=person.id, names=["a", "b"][: number % 3], now=NOW)
    elif kind == "value":
        values = [{"title": f"T{number}"}, {"city": f"C{number}"}, {"birthday": "1980-04-21"}, {"importance": "key"}]
        services.update(session, actor, contact_id=person.id, changes=values[number % 4], now=NOW)
    elif kind == "interaction":
        make.interaction(session, actor, person.id, "call", happened_at=NOW - timedelta(days=number))
    elif kind == "task":
        make.task(session, actor, **ids)
    elif kind == "consent":
        make.consent(
            session,
            actor,
            person.id,
            purpose=list(ConsentPurpose)[number % 3],
            channel=[None, ChannelKind.EMAIL][number % 2],
            action=list(ConsentAction)[number % 2],
            happened_at=NOW - timedelta(days=number),
        )
    elif kind in {"points", "pending", "spent"}:
        member = loyalty.join(session, actor, contact_id=person.id, now=NOW)
        club.earn(session, actor, member.id, 10 + number, pending=kind == "pending", validity_months=number % 3 or None)
        if kind == "spent":
            club.spend(session, actor, member.id, 5)
    elif kind == "code":
        club.voucher(session, actor, offer_id=world["offer"].id, contact_id=person.id)
    elif kind == "message":
        # Who said no gets none.
        with suppress(BlockedError):
            scheduled(session, actor, person, world["batch"] if flag else None)
    elif kind == "conversation":
        session.add(Conversation(channel="email", contact_id=person.id, last_at=NOW, created_at=NOW))
    elif kind == "segment":
        held = select(SegmentMember.id).where(SegmentMember.contact_id == person.id)
        if session.scalar(held) is None:
            session.add(SegmentMember(segment_id=world["segment"].id, contact_id=person.id, entered_at=NOW))
            session.add(SegmentPick(segment_id=world["segment"].id, contact_id=person.id, mode="added"))
            world["segment"].members += 1
    elif kind == "campaign":
        given_ids = {"w": actor.workspace_id, "c": world["campaign"], "p": person.id, "added": flag}
        for line in (
            (
                "insert into campaign_pick (id, workspace_id, campaign_id, contact_id, is_added)"
                " values (gen_random_uuid(), :w, :c, :p, :added) on conflict do nothing"
            ),
            (
                "insert into recipient (id, workspace_id, campaign_id, contact_id)"
                " values (gen_random_uuid(), :w, :c, :p) on conflict do nothing"
            ),
        ):
            session.execute(text(line), given_ids)
    elif kind == "lookup":
        session.add(EnrichmentRun(source="website", created_at=NOW, **ids))
    else:
        _furnish_rarer(session, actor, world, person, kind, number)
    session.flush()


def _furnish_rarer(session, actor, world, person, kind, number):
    third, flag, me = world["third"], bool(number % 2), actor.user_id
    if kind == "deal" and flag:
        dealing.deal(session, actor, contact_id=person.id)
    elif kind == "deal":
        deals.add_person(session, actor, deal_id=world["deal"].id, contact_id=person.id, is_main=number > 2)
    elif kind == "redemption":
        code = club.voucher(session, actor, offer_id=world["offer"].id, contact_id=person.id).code
        loyalty.redeem(session, actor, code=code, idempotency_key=club.key(), now=NOW)
    elif kind == "field":
        services.set_custom_values(session, actor, contact_id=person.id, values={"budget": number}, now=NOW)
    elif kind == "named":
        services.set_custom_values(session, actor, contact_id=third.id, values={"boss": str(person.id)}, now=NOW)
    elif kind == "rhythm":
        keeping.set_days(session, actor, contact_id=person.id, data=CadenceInput(days=7 + number), now=NOW)
    elif kind == "earlier":
        gone = make.contact(session, actor, f"Gone {number}")
        merging.merge(session, actor, kept_id=person.id, other_id=gone.id, now=NOW)
    elif kind == "mention":
        task = make.task(session, actor, contact_id=third.id)
        session.add(TaskLink(task_id=task.id, contact_id=person.id))
    elif kind == "budget":
        insert = (
            "insert into message (id, workspace_id, contact_id, channel, purpose, state)"
            " values (gen_random_uuid(), :w, :p, 'email', 'personal', 'sent') returning id"
        )
        message_id = session.scalar(text(insert), {"w": actor.workspace_id, "p": person.id})
        session.add(BudgetUse(message_id=message_id, contact_id=person.id, purpose="personal", at=NOW))
    elif kind == "aside":
        session.add(SetAside(user_id=me, kind="x", object_id=new_id(), contact_id=person.id, mark=NOW))
    elif kind == "change":
        session.add(SegmentChange(segment_id=world["segment"].id, contact_id=person.id, change="entered", at=NOW))
    elif kind == "limit":
        session.add(
            ProcessingLimit(contact_id=person.id, ground="accuracy", asked_on=NOW.date(), since=NOW, lifted_at=NOW)
        )
    elif kind == "start":
        insert = (
            "insert into start_link (id, workspace_id, digest, contact_id, account_id, expires_at)"
            " values (gen_random_uuid(), :w, gen_random_uuid()::text, :p, :a, :until)"
        )
        given_ids = {"w": actor.workspace_id, "p": person.id, "a": world["account"].id}
        session.execute(text(insert), given_ids | {"until": NOW + timedelta(days=1)})
    elif kind == "edited":
        edit = changes.open_change_set(session, actor, kind=ChangeSetKind.BULK_EDIT, title="", now=NOW)
        said = [RowChange.update("contact", person.id, before={"title": "a"}, after={"title": "b"})]
        changes.record_changes(session, change_set_id=edit.id, changes=said)
    elif kind == "access":
        if session.scalar(select(ContactAccess.id).where(ContactAccess.contact_id == person.id)) is None:
            session.add(ContactAccess(contact_id=person.id, user_id=me))
    elif kind == "not_same":
        pair = (person.id, third.id) if flag else (third.id, person.id)
        held = (NotSame.contact_id == pair[0]) & (NotSame.other_id == pair[1])
        if session.scalar(select(NotSame.id).where(held)) is None:
            session.add(NotSame(contact_id=pair[0], other_id=pair[1]))
    else:
        raise AssertionError(kind)


KINDS = (
    *("address", "company", "place", "link", "tags", "value", "interaction", "task", "consent", "points", "pending"),
    *("spent", "code", "message", "conversation", "segment", "campaign", "lookup", "deal", "redemption", "field"),
    *("named", "rhythm", "earlier", "mention", "budget", "aside", "change", "limit", "access", "not_same"),
    *("edited", "start"),
)
things = st.lists(st.tuples(st.booleans(), st.sampled_from(KINDS), st.integers(0, 5)), max_size=18)
chosen = st.dictionaries(
    st.sampled_from(["first_name", "title", "city", "company_id", "birthday", "importance", "email"]),
    st.sampled_from(["kept", "other"]),
)


def test_the_random_things_below_give_rows_to_every_mover(session, actor, world):
    person = make.contact(session, actor, "Anna Rossi", email="a@pair.example.com")
    # Who said no gets no message.
    for kind in sorted(KINDS, key=lambda kind: kind == "consent"):
        for number in (0, 1):
            furnish(session, actor, world, person, kind, number)
    empty = [
        f"{mover.table}.{column}"
        for mover in MOVERS
        for column in mover.columns
        if not session.scalar(
            text(f"select count(*) from {mover.table} where {column} = :person"),  # noqa: S608
            {"person": person.id},
        )
    ]
    assert empty == [], "teach furnish() to give a person rows of these"


@given(things=things, choices=chosen, later=st.booleans())
@settings(max_examples=12, phases=[Phase.generate])
def test_after_an_undo_everybody_has_what_they_had_and_later_work_stays(session, actor, world, things, choices, later):
    nested = session.begin_nested()
    try:
        kept, other = (
            make.contact(session, actor, name, email=f"{name[:1].lower()}@pair.example.com")
            for name in ("Anna Rossi", "Zoe Rossi")
        )
        services.link(session, actor, contact_id=kept.id, other_id=other.id, kind=LinkKind.KNOWS, now=NOW)
        for mine, kind, number in things:
            furnish(session, actor, world, kept if mine else other, kind, number)
        before, grown, sums = state(session), sizes(session), totals(session)
        waiting = list(session.info.get("after_commit", []))
        shown = merging.preview(session, actor, kept_id=kept.id, other_id=other.id, choices=choices, now=NOW)

        merged = merging.merge(session, actor, kept_id=kept.id, other_id=other.id, choices=choices, now=NOW)

        assert merged.effects == shown.effects
        assert totals(session) == sums
        assert verify(session, actor).discrepancies == []
        made = _work(session, actor, kept) if later else ()
        sums = totals(session)
        undo(session, actor, merged)

        now = state(session)
        for table, rows in before.items():
            wanted = _but_later(rows, table, kept, made)
            found = {key: _but_later_one(row, table, kept, made) for key, row in now[table].items() if key in rows}
            assert found == {key: _but_later_one(row, table, kept, made) for key, row in wanted.items()}, table
        assert {row_id for _table, row_id in made} <= {row_id for rows in now.values() for row_id in rows}
        assert all(size >= grown[table] for table, size in sizes(session).items())
        assert totals(session) == sums
        assert verify(session, actor).discrepancies == []
        assert session.scalar(select(func.count()).select_from(Attempt)) == 0
        claimed = Message.state.in_([MessageState.CLAIMED, MessageState.SENDING])
        assert session.scalar(select(func.count()).where(claimed)) == 0
        assert session.info.get("after_commit", []) == waiting, "no job is enqueued because of a merge"
    finally:
        nested.rollback()
        session.expire_all()
        world["segment"].members = 0


def _work(session, actor, kept):
    """What somebody does after the merge."""
    services.update(session, actor, contact_id=kept.id, changes={"came_from": "the fair"}, now=NOW)
    task = make.task(session, actor, contact_id=kept.id)
    call = make.interaction(session, actor, kept.id)
    return (("task", str(task.id)), ("interaction", str(call.id)))


def _but_later_one(row, table, kept, made):
    """The rhythm of the kept person counts from the call that was made later."""
    if table == "cadence" and made and row["contact_id"] == str(kept.id):
        return {name: value for name, value in row.items() if not name.endswith("_at")}
    return row


def _but_later(rows, table, kept, made):
    if table == "contact" and made:
        mine = rows[str(kept.id)]
        when = NOW.isoformat()
        return rows | {
            str(kept.id): mine | {"came_from": "the fair", "last_outbound_at": when, "last_interaction_at": when}
        }
    return rows


# --- size --------------------------------------------------------------------------------------------------------


def test_a_thousand_links_take_no_more_statements_than_ten(session, actor):
    def sent(number):
        kept, other = make.contact(session, actor, "Kept One"), make.contact(session, actor, "Other One")
        for table, columns in (
            ("interaction", "kind, happened_at"),
            ("task", "title, due_at"),
        ):
            value = "'call', now()" if table == "interaction" else "'x', now()"
            session.execute(
                text(
                    f"insert into {table} (id, workspace_id, contact_id, {columns})"  # noqa: S608
                    f" select gen_random_uuid(), :w, :p, {value} from generate_series(1, :n)"
                ),
                {"w": actor.workspace_id, "p": other.id, "n": number},
            )
        statements = []

        def note(_connection, _cursor, statement, *_rest):
            statements.append(statement)

        event.listen(session.get_bind(), "before_cursor_execute", note)
        merged = merging.merge(session, actor, kept_id=kept.id, other_id=other.id, now=NOW)
        undo(session, actor, merged)
        event.remove(session.get_bind(), "before_cursor_execute", note)
        return len(statements)

    few = sent(10)
    assert abs(sent(500) - few) <= 1
    assert few < 150
