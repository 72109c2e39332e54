"""Offers and their codes: what they are worth, how they live, who gets one, and how they end."""

from datetime import UTC, date, datetime, timedelta

import pytest
from factories.contacts import contact
from factories.loyalty import offer, voucher
from pydantic import ValidationError
from sqlalchemy import select

from crm import events
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError
from crm.events import Handlers, MessageStateChanged, publish
from crm.interactions.models import Interaction
from crm.loyalty import queries, services
from crm.loyalty.errors import RefusedError
from crm.loyalty.kinds import VoucherState
from crm.loyalty.models import Voucher
from crm.loyalty.rules.offers import Refusal, discount
from crm.loyalty.services import OfferInput


@pytest.mark.parametrize(
    ("values", "purchase", "expected"),
    [
        ({"percent": 20}, 21000, 4200),
        ({"percent": 15}, 333, 50),
        ({"percent": 50}, 1, 1),
        ({"percent": 20}, None, 0),
        ({"kind": "amount", "amount_minor": 500}, 21000, 500),
        ({"kind": "amount", "amount_minor": 500}, 300, 300),
        ({"kind": "amount", "amount_minor": 500}, None, 500),
        ({"kind": "gift", "gift": "A report"}, 21000, 0),
    ],
)
def test_an_offer_is_worth(session, actor, now, values, purchase, expected):
    made = offer(session, actor, now=now, **values)
    assert discount(queries.facts(made), purchase) == expected


@pytest.mark.parametrize(
    "values",
    [
        {"percent": 0},
        {"percent": 101},
        {"percent": 12.5},
        {"kind": "amount"},
        {"kind": "gift", "gift": " "},
        {"kind": "multiplier"},
        {"amount_minor": 500},
        {"starts_on": date(2026, 12, 2), "ends_on": date(2026, 12, 1)},
        {"limit_total": 0},
        {"budget_minor": -5},
        {"name": ""},
        {"surprise": 1},
    ],
)
def test_an_offer_that_can_not_be_is_refused(session, actor, now, values):
    with pytest.raises(ValidationError):
        offer(session, actor, now=now, **values)


def test_an_offer_whose_last_day_is_over_is_refused(session, actor, now):
    with pytest.raises(InvalidInputError):
        offer(session, actor, now=now, ends_on=date(2026, 11, 22))
    assert offer(session, actor, now=now, ends_on=date(2026, 11, 23)).valid_until == datetime(
        2026, 11, 23, 23, 0, tzinfo=UTC
    )


def test_codes_are_made_once_for_each_person_and_source(session, actor, now):
    made = offer(session, actor, now=now)
    people = [contact(session, actor, name=f"Ann {n}", now=now).id for n in range(5)]
    batch = new_id()
    given = {"offer_id": made.id, "source_kind": "campaign", "now": now}
    first = services.allocate_vouchers(session, actor, contact_ids=[*people, people[0]], source_id=batch, **given)
    assert first.keys() == set(people)
    assert len({row.code for row in first.values()}) == 5
    again = services.allocate_vouchers(session, actor, contact_ids=people, source_id=batch, **given)
    assert {who: row.id for who, row in again.items()} == {who: row.id for who, row in first.items()}
    # Another campaign can't give the same people a second code of an offer that is for once.
    assert services.allocate_vouchers(session, actor, contact_ids=people, source_id=new_id(), **given) == {}


def test_a_released_code_makes_room_for_another(session, actor, now):
    made = offer(session, actor, now=now)
    person = contact(session, actor, now=now).id
    given = {"offer_id": made.id, "contact_ids": [person], "source_kind": "campaign", "now": now}
    first = services.allocate_vouchers(session, actor, source_id=new_id(), **given)[person]
    assert services.release_vouchers(session, voucher_ids=[first.id], now=now) == 1
    assert services.allocate_vouchers(session, actor, source_id=new_id(), **given)[person].id != first.id


def test_codes_follow_their_life(session, actor, now):
    made = offer(session, actor, now=now)
    person = contact(session, actor, now=now).id
    row = services.allocate_vouchers(
        session, actor, offer_id=made.id, contact_ids=[person], source_kind="x", source_id=None, now=now
    )[person]
    assert row.state == VoucherState.ALLOCATED
    assert services.activate_vouchers(session, voucher_ids=[row.id], now=now) == 1
    assert (row.state, row.active_at) == (VoucherState.ACTIVE, now)
    assert services.activate_vouchers(session, voucher_ids=[row.id], now=now) == 0
    assert services.release_vouchers(session, voucher_ids=[row.id], now=now) == 1
    assert services.activate_vouchers(session, voucher_ids=[row.id], now=now) == 0
    assert row.state == VoucherState.RELEASED
    assert services.activate_vouchers(session, voucher_ids=[], now=now) == 0


@pytest.mark.parametrize("state", ["cancelled", "skipped", "rejected", "failed"])
def test_the_code_of_a_message_that_never_arrives_is_released(session, actor, now, state):
    row = voucher(session, actor, offer_id=offer(session, actor, now=now).id, contact_id=contact(session, actor).id)
    publish(session, told(actor, row, state, now))
    assert session.get_one(Voucher, row.id, populate_existing=True).state == VoucherState.RELEASED


@pytest.mark.parametrize("state", ["sent", "uncertain", "held", "scheduled"])
def test_the_code_of_a_message_that_may_arrive_stays(session, actor, now, state):
    row = voucher(session, actor, offer_id=offer(session, actor, now=now).id, contact_id=contact(session, actor).id)
    publish(session, told(actor, row, state, now))
    assert session.get_one(Voucher, row.id, populate_existing=True).state == VoucherState.ACTIVE


def told(actor, row, state, now):
    return MessageStateChanged(
        workspace_id=actor.workspace_id, now=now, message_id=new_id(), contact_id=row.contact_id, voucher_id=row.id,
        state=state,
    )  # fmt: skip


def test_withdrawing_ends_the_codes_and_is_told_with_them(session, actor, now):
    made = offer(session, actor, now=now)
    active = voucher(session, actor, offer_id=made.id, contact_id=contact(session, actor, now=now).id)
    waiting = services.allocate_vouchers(
        session, actor, offer_id=made.id, contact_ids=[contact(session, actor, name="Bea Ci", now=now).id],
        source_kind="x", source_id=None, now=now,
    ).popitem()[1]  # fmt: skip
    heard = []
    session.info["handlers"] = Handlers([(events.OfferWithdrawn, lambda _session, event: heard.append(event))])
    services.withdraw_offer(session, actor, offer_id=made.id, now=now)
    services.withdraw_offer(session, actor, offer_id=made.id, now=now)
    assert [(event.offer_id, set(event.voucher_ids)) for event in heard] == [(made.id, {active.id, waiting.id})]
    states = session.scalars(select(Voucher.state).where(Voucher.offer_id == made.id)).all()
    assert states == [VoucherState.WITHDRAWN, VoucherState.WITHDRAWN]


def test_nobody_gets_a_code_of_an_offer_that_is_over(session, actor, now):
    person = contact(session, actor, now=now).id
    ended = offer(session, actor, now=now, ends_on=date(2026, 11, 23))
    withdrawn = offer(session, actor, now=now)
    services.withdraw_offer(session, actor, offer_id=withdrawn.id, now=now)
    for row, at, reason in ((ended, now + timedelta(days=1), "expired"), (withdrawn, now, "withdrawn")):
        with pytest.raises(RefusedError) as refused:
            services.allocate_vouchers(
                session, actor, offer_id=row.id, contact_ids=[person], source_kind="x", source_id=None, now=at
            )
        assert refused.value.reason == reason


def test_an_offer_given_by_hand_is_active_and_stands_on_the_timeline(session, actor, now):
    made = offer(session, actor, now=now)
    person = contact(session, actor, now=now)
    row = services.give_offer(session, actor, offer_id=made.id, contact_id=person.id, now=now)
    assert row.state == VoucherState.ACTIVE
    logged = session.scalars(select(Interaction).where(Interaction.source_id == row.id)).one()
    assert (logged.kind, logged.contact_id) == ("offer.given", person.id)
    with pytest.raises(RefusedError) as refused:
        services.give_offer(session, actor, offer_id=made.id, contact_id=person.id, now=now)
    assert refused.value.reason is Refusal.LIMIT_PERSON


def test_what_people_were_promised_does_not_change(session, actor, now):
    made = offer(session, actor, now=now)
    better = OfferInput(name="30%", kind="percent", percent=30)
    services.update_offer(session, actor, offer_id=made.id, data=better, now=now)
    voucher(session, actor, offer_id=made.id, contact_id=contact(session, actor, now=now).id)
    with pytest.raises(ConflictError) as refused:
        services.update_offer(
            session, actor, offer_id=made.id, data=OfferInput(name="x", kind="percent", percent=5), now=now
        )
    assert refused.value.code == "promised"
    renamed = services.update_offer(
        session, actor, offer_id=made.id, data=OfferInput(name="New name", kind="percent", percent=30), now=now
    )
    assert renamed.name == "New name"


def test_ended_offers_tidy_their_codes(session, actor, now):
    made = offer(session, actor, now=now, ends_on=date(2026, 11, 23))
    row = voucher(session, actor, offer_id=made.id, contact_id=contact(session, actor, now=now).id)
    assert services.expire_vouchers(session, now=now) == 0
    assert services.expire_vouchers(session, now=now + timedelta(days=3)) == 1
    session.refresh(row)
    assert (row.state, row.ended_at) == (VoucherState.EXPIRED, made.valid_until)


def test_the_report_counts_what_became_of_the_codes(session, actor, now):
    made = offer(session, actor, now=now)
    rows = [
        voucher(session, actor, offer_id=made.id, contact_id=contact(session, actor, name=f"P {n}", now=now).id)
        for n in range(4)
    ]
    for n in (0, 1):
        services.redeem(session, actor, code=rows[n].code, idempotency_key=f"k{n}", purchase_minor=10_000, now=now)
    done = services.redeem(session, actor, code=rows[2].code, idempotency_key="k2", purchase_minor=10_000, now=now)
    services.undo_redemption(session, actor, redemption_id=done.id, now=now)
    services.release_vouchers(session, voucher_ids=[rows[3].id], now=now)
    report = queries.offer_report(session, actor, offer_id=made.id)
    assert (report.given, report.active, report.redeemed, report.released, report.undone) == (3, 1, 2, 1, 1)
    assert (report.purchases_minor, report.discount_minor) == (20_000, 4_000)


def test_a_hundred_codes_take_a_handful_of_statements(session, actor, now, statements):
    made = offer(session, actor, now=now)
    people = [contact(session, actor, name=f"P {n}", now=now).id for n in range(30)]
    with statements(session) as seen:
        services.allocate_vouchers(
            session, actor, offer_id=made.id, contact_ids=people, source_kind="x", source_id=None, now=now
        )
    assert len(seen) <= 4
