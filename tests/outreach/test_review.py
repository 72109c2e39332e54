"""Drafts of many: rendered for each, reviewed, frozen, scheduled, stopped and resumed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from factories import outreach
from factories.contacts import contact
from factories.loyalty import offer as make_offer
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.accounts.models import Workspace
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.db import new_id
from crm.errors import ConflictError, ForbiddenError, InvalidInputError
from crm.events import MessageStateChanged, OfferWithdrawn, OptedOut, VoucherRedeemed, publish
from crm.loyalty import services as loyalty
from crm.outreach import queries, services
from crm.outreach.content import TemplateError
from crm.outreach.models import FrozenContent, Message, MessageText
from crm.outreach.services.claim import claim
from crm.outreach.services.wave import wave


@pytest.fixture
def people(desk, now):
    """Three reachable people; the last one has no first name."""
    others = [
        outreach.person(desk.session, desk.actor, f"Bea{n} Verdi", email=f"b{n}@example.com", now=now) for n in (1, 2)
    ]
    nameless = contact(desk.session, desk.actor, "", last_name="Info", email="info@example.com", now=now)
    return [desk.contact_id, *others, nameless.id]


@pytest.fixture
def batch(desk, now):
    return services.new_batch(desk.session, desk.actor, name="Natale", now=now)


def draft(desk, people, batch, now, *, body="Ciao {{ contact.first_name }}!", purpose=Purpose.PROMOTIONAL, **fields):
    drafts = [
        services.DraftInput(contact_id=person, subject="Per te", body=body, why={"rule": "fiera"}) for person in people
    ]
    made = services.draft_many(
        desk.session,
        desk.actor,
        batch_id=batch.id,
        drafts=drafts,
        purpose=purpose,
        channel=ChannelKind.EMAIL,
        now=now,
        **fields,
    )
    return [made[person] for person in people]


def states(desk) -> list[tuple[str, str]]:
    rows = desk.session.execute(select(Message.state, Message.reason).order_by(Message.created_at, Message.id))
    return [tuple(row) for row in rows]


def test_one_draft_a_person_and_a_missing_value_holds_that_person_only(desk, people, batch, now, told):
    draft(desk, people, batch, now)
    assert states(desk) == [("in_review", "")] * 3 + [("held", "missing_values")]
    texts = {text.body: text.missing for text in desk.session.scalars(select(MessageText))}
    assert texts == {"Ciao Ann!": [], "Ciao Bea1!": [], "Ciao Bea2!": [], "Ciao !": ["contact.first_name"]}
    assert [event.state for event in told if isinstance(event, MessageStateChanged)] == ["in_review"] * 3 + ["held"]


def test_a_text_with_an_error_makes_no_draft_at_all(desk, people, batch, now):
    with pytest.raises(TemplateError):
        draft(desk, people, batch, now, body="{{ contact.first_name ")
    assert states(desk) == []


def test_approval_freezes_what_was_read_and_a_later_edit_asks_again(desk, people, batch, now):
    ids = draft(desk, people, batch, now)
    changed = services.approve(desk.session, desk.actor, message_ids=ids, now=now)
    assert set(changed.done) == set(ids[:3])
    assert changed.refused == {ids[3]: "other_state"}
    frozen = desk.session.scalars(select(FrozenContent).where(FrozenContent.message_id == ids[0])).one()
    assert frozen.text.startswith("Ciao Ann!")
    edited = services.edit_draft(
        desk.session, desk.actor, message_id=ids[0], subject="Per te", body="Cara Ann", now=now
    )
    assert (edited.state, edited.approved_hash) == ("in_review", None)
    assert services.schedule(desk.session, desk.actor, message_ids=ids[:1], at=now, now=now).done == ()
    services.approve(desk.session, desk.actor, message_ids=ids[:1], now=now)
    hashes = desk.session.scalars(select(FrozenContent.hash).where(FrozenContent.message_id == ids[0])).all()
    assert len(set(hashes)) == 2


def test_filling_in_what_was_missing_puts_the_draft_into_review(desk, people, batch, now):
    ids = draft(desk, people, batch, now)
    services.edit_draft(desk.session, desk.actor, message_id=ids[3], subject="Per voi", body="Buongiorno!", now=now)
    assert services.approve(desk.session, desk.actor, message_ids=[ids[3]], now=now).done == (ids[3],)


def test_somebody_else_s_change_is_not_overwritten(desk, people, batch, now):
    (first, *_) = draft(desk, people, batch, now)
    services.edit_draft(desk.session, desk.actor, message_id=first, subject="a", body="b", expected_version=1, now=now)
    with pytest.raises(ConflictError):
        services.edit_draft(
            desk.session, desk.actor, message_id=first, subject="c", body="d", expected_version=1, now=now
        )


def test_a_second_person_approves_where_the_workspace_asks_for_it(desk, people, batch, now):
    desk.session.get_one(Workspace, desk.actor.workspace_id).second_approval = True
    ids = draft(desk, people[:1], batch, now)
    assert services.approve(desk.session, desk.actor, message_ids=ids, now=now).refused == {ids[0]: "own"}
    colleague = replace(desk.actor, user_id=None, token_id=new_id())
    assert services.approve(desk.session, colleague, message_ids=ids, now=now).done == tuple(ids)


def test_approving_needs_the_right(desk, people, batch, now):
    ids = draft(desk, people[:1], batch, now)
    with pytest.raises(ForbiddenError):
        services.approve(desk.session, replace(desk.actor, role=Role.VIEWER), message_ids=ids, now=now)


def approved(desk, people, batch, now):
    ids = draft(desk, people, batch, now)[:3]
    services.approve(desk.session, desk.actor, message_ids=ids, now=now)
    return ids


def test_each_message_can_have_its_own_time(desk, people, batch, now):
    ids = approved(desk, people, batch, now)
    times = {message_id: now + timedelta(minutes=7 * n) for n, message_id in enumerate(ids)}
    assert set(services.schedule(desk.session, desk.actor, times=times, now=now).done) == set(ids)
    rows = desk.session.execute(
        select(Message.id, Message.planned_at, Message.due_at).where(Message.state == "scheduled")
    )
    assert {row.id: row.due_at for row in rows} == times
    with pytest.raises(InvalidInputError):
        services.schedule(desk.session, desk.actor, message_ids=ids, at=now - timedelta(days=1), now=now)


def test_reject_skip_hold_and_cancel_end_in_their_states(desk, people, batch, now):
    ids = approved(desk, people, batch, now)
    services.schedule(desk.session, desk.actor, message_ids=ids[1:], at=now, now=now)
    assert services.reject(desk.session, desk.actor, message_ids=ids[:1], now=now).done == (ids[0],)
    assert services.skip(desk.session, desk.actor, message_ids=ids[1:2], reason="knows already", now=now).done
    assert services.hold(desk.session, desk.actor, message_ids=ids[2:], now=now).done
    found = dict(desk.session.execute(select(Message.id, Message.state).where(Message.id.in_(ids))).all())
    assert [found[key] for key in ids] == ["rejected", "skipped", "held"]
    services.release(desk.session, desk.actor, message_ids=ids[2:], now=now)
    services.cancel(desk.session, desk.actor, message_ids=ids, now=now)
    found = dict(desk.session.execute(select(Message.id, Message.state).where(Message.id.in_(ids))).all())
    assert [found[key] for key in ids] == ["rejected", "skipped", "cancelled"]


def test_a_resumed_batch_keeps_its_distances(desk, people, batch, now):
    ids = approved(desk, people, batch, now)
    times = {message_id: now + timedelta(minutes=10 * n) for n, message_id in enumerate(ids)}
    services.schedule(desk.session, desk.actor, times=times, now=now)
    services.pause_batch(desk.session, desk.actor, batch_id=batch.id)
    later = now + timedelta(minutes=15)
    assert services.resume_batch(desk.session, desk.actor, batch_id=batch.id, now=later) == 2
    found = dict(desk.session.execute(select(Message.id, Message.due_at).where(Message.id.in_(ids))).all())
    assert [found[key] - later for key in ids] == [timedelta(0), timedelta(minutes=10), timedelta(minutes=5)]


def test_a_cancelled_batch_stays_cancelled(desk, people, batch, now):
    approved(desk, people, batch, now)
    assert services.cancel_batch(desk.session, desk.actor, batch_id=batch.id, now=now) == 4
    assert {state for state, _ in states(desk)} == {"cancelled"}
    with pytest.raises(ConflictError):
        services.resume_batch(desk.session, desk.actor, batch_id=batch.id, now=now)


def test_an_opt_out_skips_what_still_waits_for_that_person_only(desk, people, batch, now):
    approved(desk, people, batch, now)
    publish(
        desk.session,
        OptedOut(
            workspace_id=desk.actor.workspace_id,
            now=now,
            contact_id=people[0],
            purpose="promotional",
            channel=None,
        ),
    )
    found = dict(desk.session.execute(select(Message.contact_id, Message.reason)).all())
    assert found[people[0]] == "consent_withdrawn"
    assert found[people[1]] == ""


def test_a_template_that_changes_flags_its_drafts(desk, people, batch, now):
    data = services.TemplateInput(name="Natale", purpose=Purpose.PROMOTIONAL, subject="Auguri", body="Ciao")
    template = services.create_template(desk.session, desk.actor, data=data, now=now)
    services.draft_many(
        desk.session,
        desk.actor,
        batch_id=batch.id,
        drafts=[services.DraftInput(contact_id=people[0], subject="Auguri", body="Ciao", template_id=template.id)],
        purpose=Purpose.PROMOTIONAL,
        channel=ChannelKind.EMAIL,
        now=now,
    )
    changed = data.model_copy(update={"body": "Ciao a te"})
    services.update_template(desk.session, desk.actor, template_id=template.id, data=changed, now=now)
    (line,) = queries.messages(desk.session, desk.actor, batch_id=batch.id).items
    assert (line.needs_look, line.state) == ("template_changed", "in_review")
    with pytest.raises(InvalidInputError) as refused:
        services.create_template(desk.session, desk.actor, data=data.model_copy(update={"body": "{% if"}), now=now)
    assert refused.value.fields.keys() == {"body"}


def with_voucher(desk, people, batch, now):
    offer = make_offer(desk.session, desk.actor)
    vouchers = loyalty.allocate_vouchers(
        desk.session,
        desk.actor,
        offer_id=offer.id,
        contact_ids=people[:1],
        source_kind="batch",
        source_id=batch.id,
        now=now,
    )
    voucher = vouchers[people[0]]
    made = services.draft_many(
        desk.session,
        desk.actor,
        batch_id=batch.id,
        drafts=[
            services.DraftInput(
                contact_id=people[0],
                subject="Codice",
                body="Il tuo codice: {{ voucher.code }}",
                values={"voucher": {"code": voucher.code}},
                voucher_id=voucher.id,
            )
        ],
        purpose=Purpose.PROMOTIONAL,
        channel=ChannelKind.EMAIL,
        now=now,
    )
    return offer, voucher, made[people[0]]


def test_a_rejected_draft_gives_its_code_back(desk, people, batch, now):
    _offer, voucher, message_id = with_voucher(desk, people, batch, now)
    services.reject(desk.session, desk.actor, message_ids=[message_id], now=now)
    desk.session.refresh(voucher)
    assert voucher.state == "released"


def test_a_withdrawn_offer_cancels_its_messages_and_a_used_code_skips_them(desk, people, batch, now):
    offer, voucher, message_id = with_voucher(desk, people, batch, now)
    shared = {"workspace_id": desk.actor.workspace_id, "now": now, "offer_id": offer.id}
    publish(desk.session, VoucherRedeemed(voucher_id=voucher.id, contact_id=people[0], message_id=None, **shared))
    assert desk.session.get_one(Message, message_id, populate_existing=True).reason == "redeemed"
    _offer, other, second = with_voucher(desk, people, batch, now)
    publish(desk.session, OfferWithdrawn(voucher_ids=(other.id,), **shared))
    cancelled = desk.session.get_one(Message, second, populate_existing=True)
    assert (cancelled.state, cancelled.reason) == ("cancelled", "offer_withdrawn")


def test_a_code_works_from_the_attempt_on(desk, people, batch, now):
    _offer, voucher, message_id = with_voucher(desk, people, batch, now)
    services.approve(desk.session, desk.actor, message_ids=[message_id], now=now)
    services.schedule(desk.session, desk.actor, message_ids=[message_id], at=now, now=now)
    claimed = claim(
        desk.session, desk.actor, account_id=desk.account.id, worker="t", lease=timedelta(minutes=2), now=now
    )
    desk.session.refresh(voucher)
    assert voucher.state == "allocated"
    result = wave(desk.session, desk.actor, claimed=claimed, finished=[], following=claimed.items, now=now)
    assert len(result.started) == 1
    desk.session.refresh(voucher)
    assert voucher.state == "active"
