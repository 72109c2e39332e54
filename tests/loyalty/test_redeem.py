"""Redeeming: who may, what is refused and why, idempotency, undo, and what follows on the timeline."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from factories.contacts import contact
from factories.loyalty import key, member, offer, program, voucher
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.accounts.models import AuditDetail, AuditEntry, Throttle
from crm.accounts.services.audit import Origin
from crm.db import enter_workspace
from crm.errors import ForbiddenError, InvalidInputError
from crm.events import Handlers, VoucherRedeemed
from crm.interactions.models import Interaction
from crm.loyalty import queries, services
from crm.loyalty.errors import KeyReusedError, RefusedError, TooManyGuessesError
from crm.loyalty.kinds import VoucherState
from crm.loyalty.models import Offer, Redemption
from crm.loyalty.rules.codes import encode
from crm.loyalty.services import RuleInput


@pytest.fixture
def ann(session, actor, now):
    return contact(session, actor, name="Ann Bo", now=now)


def redeem(session, actor, row, now, **more):
    given = {"code": row.code, "idempotency_key": key(), **more}
    return services.redeem(session, actor, now=now, **given)


def refused_as(session, actor, row, now, **more):
    with pytest.raises(RefusedError) as refused:
        redeem(session, actor, row, now, **more)
    return refused.value.reason


def test_a_code_is_redeemed_once(session, actor, now, ann):
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    done = redeem(session, actor, row, now, purchase_minor=21_000)
    assert (done.discount_minor, done.contact_id, done.user_id) == (4_200, ann.id, actor.user_id)
    assert row.state == VoucherState.REDEEMED
    assert refused_as(session, actor, row, now) == "used"
    assert session.get_one(Offer, row.offer_id).redeemed == 1


def test_the_same_key_gives_the_same_redemption_and_another_request_is_refused(session, actor, now, ann):
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    first = redeem(session, actor, row, now, idempotency_key="k", purchase_minor=100)
    assert redeem(session, actor, row, now, idempotency_key="k", purchase_minor=100).id == first.id
    with pytest.raises(KeyReusedError):
        redeem(session, actor, row, now, idempotency_key="k", purchase_minor=101)


def test_a_wrong_check_symbol_costs_no_look_up(session, actor, now, ann, statements):
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    wrong = row.code[:-1] + ("0" if row.code[-1] != "0" else "1")
    with statements(session) as seen, pytest.raises(RefusedError) as refused:
        redeem(session, actor, row, now, code=wrong)
    assert (refused.value.reason, seen) == ("unreadable", [])


def test_a_carelessly_typed_code_is_understood(session, actor, now, ann):
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    typed = " ".join(row.code.lower().replace("0", "o").replace("1", "l"))
    assert redeem(session, actor, row, now, code=typed).voucher_id == row.id


def test_each_refusal_tells_staff_the_true_reason(session, actor, now, ann):
    def fresh(**values):
        return voucher(session, actor, offer_id=offer(session, actor, **values).id, contact_id=ann.id)

    later = fresh(starts_on=date(2026, 12, 1))
    assert refused_as(session, actor, later, now) == "not_started"
    ends = fresh(ends_on=date(2026, 11, 23))
    last_second = datetime(2026, 11, 23, 22, 59, 59, tzinfo=UTC)
    assert refused_as(session, actor, ends, last_second + timedelta(seconds=1)) == "expired"
    assert redeem(session, actor, ends, last_second)
    withdrawn = fresh()
    services.withdraw_offer(session, actor, offer_id=withdrawn.offer_id, now=now)
    assert refused_as(session, actor, withdrawn, now) == "withdrawn"
    released = fresh()
    services.release_vouchers(session, voucher_ids=[released.id], now=now)
    assert refused_as(session, actor, released, now) == "released"
    waiting = services.allocate_vouchers(
        session,
        actor,
        offer_id=offer(session, actor).id,
        contact_ids=[ann.id],
        source_kind="x",
        source_id=None,
        now=now,
    )[ann.id]
    assert refused_as(session, actor, waiting, now) == "not_active"


def test_the_limits_hold(session, actor, now, ann):
    few = offer(session, actor, limit_total=1)
    rows = [
        voucher(session, actor, offer_id=few.id, contact_id=contact(session, actor, name=f"P {n}").id) for n in range(2)
    ]
    redeem(session, actor, rows[0], now)
    assert refused_as(session, actor, rows[1], now) == "limit_total"
    twice = offer(session, actor, limit_per_person=2)
    mine = [voucher(session, actor, offer_id=twice.id, contact_id=ann.id) for _ in range(2)]
    for row in mine:
        redeem(session, actor, row, now)
    twice.limit_per_person = 3
    session.flush()
    third = voucher(session, actor, offer_id=twice.id, contact_id=ann.id)
    twice.limit_per_person = 2
    session.flush()
    assert refused_as(session, actor, third, now) == "limit_person"


def test_the_budget_holds_and_needs_the_purchase(session, actor, now):
    poor = offer(session, actor, budget_minor=5_000)
    rows = [
        voucher(session, actor, offer_id=poor.id, contact_id=contact(session, actor, name=f"P {n}").id)
        for n in range(2)
    ]
    assert refused_as(session, actor, rows[0], now) == "purchase_needed"
    redeem(session, actor, rows[0], now, purchase_minor=20_000)
    assert refused_as(session, actor, rows[1], now, purchase_minor=10_000) == "budget"
    redeem(session, actor, rows[1], now, purchase_minor=5_000)
    session.refresh(poor)
    assert (poor.redeemed, poor.spent_minor) == (2, 5_000)


@pytest.mark.parametrize("purchase", [-1, 1.5, "12", True, 2**31])
def test_a_sum_that_can_not_be_is_refused(session, actor, now, ann, purchase):
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    with pytest.raises(InvalidInputError):
        redeem(session, actor, row, now, purchase_minor=purchase)


def test_undo_makes_the_code_good_again_and_returns_limits_and_points(session, actor, now):
    program(session, actor)
    services.create_rule(
        session, actor, data=RuleInput(name="Visit", interaction_kind="offer.redeemed", points=30), now=now
    )
    holder = member(session, actor, now=now)
    made = offer(session, actor, limit_total=1, budget_minor=5_000)
    row = voucher(session, actor, offer_id=made.id, contact_id=holder.contact_id)
    done = redeem(session, actor, row, now, purchase_minor=10_000)
    assert queries.member_standing(session, actor, member_id=holder.id, now=now).balance == 30
    for _ in range(2):
        services.undo_redemption(session, actor, redemption_id=done.id, now=now)
    session.refresh(made)
    assert (row.state, made.redeemed, made.spent_minor) == (VoucherState.ACTIVE, 0, 0)
    assert queries.member_standing(session, actor, member_id=holder.id, now=now).balance == 0
    again = redeem(session, actor, row, now, purchase_minor=10_000)
    assert again.id != done.id
    assert queries.member_standing(session, actor, member_id=holder.id, now=now).balance == 30
    assert queries.verify(session, actor).discrepancies == []


def test_undoing_after_the_offer_was_withdrawn_leaves_the_code_withdrawn(session, actor, now, ann):
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    done = redeem(session, actor, row, now)
    services.withdraw_offer(session, actor, offer_id=row.offer_id, now=now)
    services.undo_redemption(session, actor, redemption_id=done.id, now=now)
    assert row.state == VoucherState.WITHDRAWN


def test_a_redemption_stands_on_the_timeline_and_is_told(session, actor, now, ann):
    heard = []
    session.info["handlers"] = Handlers([(VoucherRedeemed, lambda _session, event: heard.append(event))])
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    done = redeem(session, actor, row, now, purchase_minor=500)
    logged = session.scalars(select(Interaction).where(Interaction.source_id == done.id)).one()
    assert (logged.kind, logged.amount_minor, done.interaction_id) == ("offer.redeemed", 500, logged.id)
    assert [(event.voucher_id, event.contact_id) for event in heard] == [(row.id, ann.id)]


def test_the_till_redeems_and_others_may_not(session, actor, now, ann):
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    with pytest.raises(ForbiddenError):
        redeem(session, replace(actor, role=Role.VIEWER), row, now)
    assert redeem(session, replace(actor, role=Role.TILL), row, now)


def test_a_code_of_another_workspace_is_unknown(session, actor, other_actor, now, ann):
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    code = row.code
    enter_workspace(session, other_actor.workspace_id)
    session.expunge_all()
    with pytest.raises(RefusedError) as refused:
        services.redeem(session, other_actor, code=code, idempotency_key=key(), now=now)
    assert refused.value.reason == "unknown"


def test_guessing_is_stopped_for_the_account_and_the_address(session, actor, now, ann):
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    session.info["origin"] = Origin(ip="10.0.0.7")
    for number in range(20):
        with pytest.raises(RefusedError):
            services.redeem(session, actor, code=encode(number, 16), idempotency_key=key(), now=now)
    with pytest.raises(TooManyGuessesError):
        redeem(session, actor, row, now)
    # Somebody else on the same address waits too, from another address not.
    colleague = replace(actor, user_id=None)
    with pytest.raises(TooManyGuessesError):
        redeem(session, colleague, row, now)
    session.info["origin"] = Origin(ip="10.0.0.8")
    assert redeem(session, colleague, row, now)
    keys = session.scalars(select(Throttle.key)).all()
    assert len([one for one in keys if one.startswith("voucher:address:")]) == 1
    assert not any("10.0.0.7" in one for one in keys)


def test_guessing_may_go_on_after_the_pause(session, actor, now):
    for number in range(20):
        with pytest.raises(RefusedError):
            services.redeem(session, actor, code=encode(number, 16), idempotency_key=key(), now=now)
    later = now + timedelta(minutes=16)
    with pytest.raises(RefusedError):
        services.redeem(session, actor, code=encode(99, 16), idempotency_key=key(), now=later)


def test_the_true_reason_is_kept_in_the_audit_log(session, actor, now, ann):
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=ann.id)
    redeem(session, actor, row, now)
    refused_as(session, actor, row, now)
    entry, detail = session.execute(
        select(AuditEntry, AuditDetail)
        .join(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditEntry.action == "voucher.refused")
    ).one()
    assert (entry.object_id, entry.user_id, detail.after) == (row.id, actor.user_id, {"reason": "used"})


def test_looking_at_a_code_shows_holder_offer_and_sum_and_changes_nothing(session, actor, now):
    program(session, actor)
    services.create_rule(
        session, actor, data=RuleInput(name="Visit", interaction_kind="offer.redeemed", points=30), now=now
    )
    holder = member(session, actor, name="Valentina Neri", points=1050, now=now)
    row = voucher(session, actor, offer_id=offer(session, actor).id, contact_id=holder.contact_id)
    seen = services.check_code(session, actor, code=row.code.lower(), purchase_minor=21_000, now=now)
    assert (seen.refusal, seen.holder_name, seen.holder_points) == (None, "Valentina Neri", 1050)
    assert (seen.discount_minor, seen.to_pay_minor, seen.earns) == (4_200, 16_800, 30)
    assert session.scalars(select(Redemption)).all() == []
    redeem(session, actor, row, now)
    assert services.check_code(session, actor, code=row.code, now=now).refusal == "used"
    assert services.check_code(session, actor, code="nonsense", now=now).refusal == "unreadable"
    assert services.check_code(session, actor, code=encode(7, 16), now=now).refusal == "unknown"
