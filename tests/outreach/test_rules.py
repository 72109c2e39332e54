"""The gate: each reason, the order of reasons, and what each purpose needs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.consent.kinds import Purpose
from crm.outreach.facts import AccountFacts, ConsentAnswer, Facts, HandleFacts, Other, PersonFacts, Policy
from crm.outreach.kinds import AccountState, BatchState
from crm.outreach.reasons import OTHER_SENTENCES, sentence, way_sentence
from crm.outreach.rules import OUTLOOK, PURPOSES, Disposition, Reason, Way, budget_free_at, judge, lateness
from crm.outreach.windows import Window

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
POLICY = Policy(
    time_zone="Europe/Rome",
    country="IT",
    window=Window.of("09:00", "19:00", "1,2,3,4,5"),
    promotional_per_week=2,
    company_per_week=6,
    late_after=timedelta(hours=2),
)
FINE = Facts(person=PersonFacts(), handle=HandleFacts(), account=AccountFacts())

ago = lambda **span: MONDAY - timedelta(**span)  # noqa: E731 - a word of this module.


def facts(**changes) -> Facts:
    """Facts without an objection, changed at `part__field`."""
    result = FINE
    for name, value in changes.items():
        part, _, field = name.partition("__")
        result = replace(result, **{part: replace(getattr(result, part), **{field: value}) if field else value})
    return result


OBJECTIONS = [
    (Reason.ERASED, {"person__is_erased": True}),
    (Reason.MERGED, {"person__is_merged": True}),
    (Reason.DELETED, {"person__is_deleted": True}),
    (Reason.NO_HANDLE, {"handle__state": None}),
    (Reason.HANDLE_GONE, {"handle__state": "gone"}),
    (Reason.HANDLE_BOUNCED, {"handle__state": "bounced"}),
    (Reason.HANDLE_BLOCKED, {"handle__state": "blocked"}),
    (Reason.SUPPRESSED, {"handle__is_suppressed": True}),
    (Reason.CONSENT_WITHDRAWN, {"person__consent": ConsentAnswer.WITHDRAWN}),
    (Reason.CONSENT_MISSING, {"person__consent": ConsentAnswer.MISSING}),
    (Reason.BATCH_CANCELLED, {"message__batch": BatchState.CANCELLED}),
    (Reason.BATCH_PAUSED, {"message__batch": BatchState.PAUSED}),
    (Reason.REPLIED, {"message__stop_if_replied_since": ago(days=9), "person__last_reply_at": ago(days=8)}),
    (Reason.REDEEMED, {"message__has_voucher": True, "message__is_voucher_redeemed": True}),
    (Reason.COMPLAINT, {"person__complaint_since": ago(days=30)}),
    (Reason.UNANSWERED, {"person__unanswered_since": ago(days=30)}),
    (Reason.CONVERSATION, {"person__last_exchange_at": ago(days=2)}),
    (Reason.COLLISION, {"person__others": (Other(MONDAY + timedelta(days=2), None, True),)}),
    (Reason.BUDGET_PERSON, {"person__promotions": (ago(days=6), ago(days=1))}),
    (Reason.BUDGET_COMPANY, {"person__company_promotions": tuple(ago(days=day) for day in (6, 5, 4, 3, 2, 1))}),
    (Reason.TOO_EARLY, {"message__not_before": MONDAY + timedelta(hours=1)}),
    (Reason.TOO_LATE, {"message__not_after": ago(seconds=1)}),
    (Reason.OUTSIDE_WINDOW, {"person__time_zone": "America/New_York"}),
    (Reason.NO_ACCOUNT, {"is_account_missing": True}),
    (Reason.ACCOUNT_PAUSED, {"account__state": AccountState.PAUSED}),
    (Reason.ACCOUNT_HELD, {"account__state": AccountState.HELD}),
    (Reason.DAILY_CAP, {"account__day_free_at": MONDAY + timedelta(hours=13)}),
    (Reason.PACE, {"account__pace_free_at": MONDAY + timedelta(minutes=1)}),
    (Reason.VOUCHER_GONE, {"message__has_voucher": True, "message__is_voucher_alive": False}),
    (Reason.MISSING_VALUES, {"message__has_missing_values": True}),
    (Reason.STALE, {"message__late_by": timedelta(hours=3)}),
]
POLICIES = [
    (Reason.SENDING_PAUSED, replace(POLICY, is_sending_paused=True)),
    (Reason.PROMOTIONS_PAUSED, replace(POLICY, are_promotions_paused=True)),
    (Reason.NEVER_OPEN, replace(POLICY, window=Window.of("09:00", "19:00", ""))),
]


@pytest.mark.parametrize(
    ("reason", "changes"), OBJECTIONS, ids=lambda value: str(value) if isinstance(value, str) else ""
)
def test_a_promotion_is_stopped_by_each_reason(reason, changes):
    verdict = judge(facts(**changes), purpose=Purpose.PROMOTIONAL, at=MONDAY, policy=POLICY)
    assert verdict.reason is reason
    assert not verdict.allowed
    assert verdict.disposition is OUTLOOK[reason][0]


@pytest.mark.parametrize(("reason", "policy"), POLICIES)
def test_a_promotion_is_stopped_by_the_workspace(reason, policy):
    assert judge(FINE, purpose=Purpose.PROMOTIONAL, at=MONDAY, policy=policy).reason is reason


@pytest.mark.parametrize("purpose", list(Purpose))
def test_nothing_speaks_against_a_message_when_all_is_well(purpose):
    verdict = judge(FINE, purpose=purpose, at=MONDAY, policy=POLICY)
    assert verdict.allowed
    assert verdict.objections == ()
    assert (verdict.reason, verdict.until, verdict.way, verdict.disposition) == (None, None, Way.NONE, None)


def test_of_any_two_the_earlier_reason_of_the_design_decides():
    order = list(Reason)
    for (first, changes), (second, others) in combinations(OBJECTIONS, 2):
        both = facts(**{**others, **changes})
        verdict = judge(both, purpose=Purpose.PROMOTIONAL, at=MONDAY, policy=POLICY)
        found = [order.index(objection.reason) for objection in verdict.objections if objection.binds]
        assert found, (first, second)
        assert found == sorted(found), (first, second)
        assert verdict.reason is not None
        assert order.index(verdict.reason) <= order.index(first), (first, second)


#: What only a promotion keeps away from.
OTHERS = {
    Reason.COMPLAINT, Reason.UNANSWERED, Reason.CONVERSATION, Reason.COLLISION, Reason.BUDGET_PERSON,
    Reason.BUDGET_COMPANY,
}  # fmt: skip
CONSENT = {Reason.CONSENT_WITHDRAWN, Reason.CONSENT_MISSING}
#: What each purpose lets pass although it stops a promotion.
PASSES = {
    Purpose.REPLY: {*OTHERS, *CONSENT, Reason.SUPPRESSED, Reason.OUTSIDE_WINDOW},
    Purpose.PERSONAL: {*OTHERS, Reason.OUTSIDE_WINDOW},
    Purpose.SERVICE: {*OTHERS, *CONSENT},
    Purpose.SYSTEM: {
        *OTHERS, *CONSENT, Reason.ERASED, Reason.MERGED, Reason.DELETED, Reason.NO_HANDLE, Reason.HANDLE_GONE,
        Reason.HANDLE_BOUNCED, Reason.HANDLE_BLOCKED, Reason.SUPPRESSED, Reason.OUTSIDE_WINDOW,
    },
    Purpose.PROMOTIONAL: set(),
}  # fmt: skip


@pytest.mark.parametrize("purpose", list(Purpose))
def test_each_purpose_needs_what_its_row_of_the_table_says(purpose):
    passed = {
        reason
        for reason, changes in OBJECTIONS
        if judge(facts(**changes), purpose=purpose, at=MONDAY, policy=POLICY).allowed
    }
    assert passed == PASSES[purpose]


def test_a_pause_of_promotions_stops_nothing_else():
    paused = replace(POLICY, are_promotions_paused=True)
    stopped = {purpose for purpose in Purpose if not judge(FINE, purpose=purpose, at=MONDAY, policy=paused).allowed}
    assert stopped == {Purpose.PROMOTIONAL}


def test_a_pause_of_all_sending_lets_a_sign_in_link_pass():
    paused = replace(POLICY, is_sending_paused=True)
    passed = {purpose for purpose in Purpose if judge(FINE, purpose=purpose, at=MONDAY, policy=paused).allowed}
    assert passed == {Purpose.SYSTEM}


def test_a_hand_written_message_on_sunday_is_a_warning_with_the_next_opening():
    verdict = judge(FINE, purpose=Purpose.PERSONAL, at=SUNDAY, policy=POLICY)
    assert verdict.allowed
    (warning,) = verdict.warnings
    assert warning.reason is Reason.OUTSIDE_WINDOW
    assert warning.until == datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def test_a_hand_written_message_beyond_the_budget_is_a_warning():
    crowded = facts(person__promotions=(ago(days=2), ago(days=1)))
    verdict = judge(crowded, purpose=Purpose.PERSONAL, at=MONDAY, policy=POLICY)
    assert [warning.reason for warning in verdict.warnings] == [Reason.BUDGET_PERSON]


ANN, BO = UUID(int=1), UUID(int=2)


def test_a_hand_written_message_is_warned_of_what_a_colleague_writes_and_of_a_complaint():
    other = Other(MONDAY - timedelta(days=1), BO, False)
    meeting = facts(person__others=(other,), message__author_id=ANN, person__complaint_since=ago(days=9))
    verdict = judge(meeting, purpose=Purpose.PERSONAL, at=MONDAY, policy=POLICY)
    assert verdict.allowed
    assert [warning.reason for warning in verdict.warnings] == [Reason.COMPLAINT, Reason.COLLISION]
    assert verdict.warnings[1].until == MONDAY + timedelta(days=2)


def test_ones_own_messages_are_no_collision_for_what_one_writes_by_hand():
    own = facts(person__others=(Other(ago(days=1), ANN, True),), message__author_id=ANN)
    assert judge(own, purpose=Purpose.PERSONAL, at=MONDAY, policy=POLICY).warnings == ()


def test_a_promotion_keeps_away_from_what_is_written_by_hand_but_not_from_another_promotion():
    other = lambda at, by_hand: facts(person__others=(Other(at, BO, by_hand),), message__author_id=BO)  # noqa: E731
    verdict = judge(other(MONDAY + timedelta(days=1), True), purpose=Purpose.PROMOTIONAL, at=MONDAY, policy=POLICY)
    assert (verdict.reason, verdict.disposition) == (Reason.COLLISION, Disposition.HOLD)
    assert verdict.until == MONDAY + timedelta(days=4)
    for far in (other(MONDAY + timedelta(days=3), True), other(ago(days=3), True), other(ago(days=1), False)):
        assert judge(far, purpose=Purpose.PROMOTIONAL, at=MONDAY, policy=POLICY).allowed


@pytest.mark.parametrize(("country", "waits"), [("", True), ("IT", True), ("GB", False)])
def test_a_holiday_is_that_of_the_person_else_of_the_workspace(country, waits):
    immaculate_conception = datetime(2026, 12, 8, 10, 0, tzinfo=UTC)
    there = facts(person__country=country)
    verdict = judge(there, purpose=Purpose.PROMOTIONAL, at=immaculate_conception, policy=POLICY)
    assert verdict.allowed is not waits
    if waits:
        assert (verdict.reason, verdict.until) == (Reason.OUTSIDE_WINDOW, datetime(2026, 12, 9, 8, 0, tzinfo=UTC))


def test_a_promotion_on_sunday_waits_for_monday_nine_o_clock():
    verdict = judge(FINE, purpose=Purpose.PROMOTIONAL, at=SUNDAY, policy=POLICY)
    assert verdict.until == datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    assert verdict.disposition is Disposition.DEFER


def test_a_conversation_keeps_promotions_away_for_three_days_to_the_second():
    last = ago(days=3)
    talking = facts(person__last_exchange_at=last)
    before = judge(talking, purpose=Purpose.PROMOTIONAL, at=MONDAY - timedelta(seconds=1), policy=POLICY)
    assert before.until == MONDAY
    assert judge(talking, purpose=Purpose.PROMOTIONAL, at=MONDAY, policy=POLICY).allowed


def test_a_reply_before_the_moment_that_matters_stops_nothing():
    earlier = facts(message__stop_if_replied_since=ago(days=8), person__last_reply_at=ago(days=8))
    assert judge(earlier, purpose=Purpose.PROMOTIONAL, at=MONDAY, policy=POLICY).allowed


def test_a_late_message_that_a_person_accepted_may_go():
    late = facts(message__late_by=timedelta(days=2), message__is_late_accepted=True)
    assert judge(late, purpose=Purpose.PROMOTIONAL, at=MONDAY, policy=POLICY).allowed


def test_a_message_exactly_as_late_as_allowed_may_go():
    late = facts(message__late_by=timedelta(hours=2))
    assert judge(late, purpose=Purpose.PROMOTIONAL, at=MONDAY, policy=POLICY).allowed


def test_waiting_for_the_pace_is_no_lateness_but_an_outage_is():
    assert lateness(due_at=MONDAY, attended_since=ago(hours=5)) == timedelta(0)
    assert lateness(due_at=ago(hours=5), attended_since=MONDAY) == timedelta(hours=5)


uses = st.lists(st.integers(0, 15 * 24 * 60).map(lambda minutes: ago(minutes=minutes)), max_size=12).map(tuple)


@given(uses=uses, limit=st.integers(1, 6))
def test_the_budget_is_free_exactly_when_fewer_than_the_limit_lie_in_seven_days(uses, limit):
    free_at = budget_free_at(uses, limit=limit, at=MONDAY)
    assert free_at is not None

    def fits(at: datetime) -> bool:
        return sum(at - timedelta(days=7) < use <= at for use in uses) < limit

    assert (free_at == MONDAY) is fits(MONDAY)
    assert fits(free_at)
    if free_at > MONDAY:
        assert not fits(free_at - timedelta(microseconds=1))


def test_no_budget_at_all_lets_no_promotion_pass():
    none = replace(POLICY, promotional_per_week=0)
    assert judge(FINE, purpose=Purpose.PROMOTIONAL, at=MONDAY, policy=none).reason is Reason.BUDGET_PERSON


def test_a_stranger_is_judged_by_the_address_alone():
    stranger = Facts(person=None, handle=HandleFacts(is_suppressed=True))
    assert judge(stranger, purpose=Purpose.PERSONAL, at=MONDAY, policy=POLICY).reason is Reason.SUPPRESSED
    assert judge(replace(stranger, handle=HandleFacts()), purpose=Purpose.REPLY, at=MONDAY, policy=POLICY).allowed


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence_and_an_outlook(reason):
    assert sentence(reason).endswith(".")
    assert reason in OUTLOOK


@pytest.mark.parametrize("way", [way for way in Way if way is not Way.NONE])
def test_every_way_forward_has_a_sentence(way):
    assert way_sentence(way).endswith(".")


def test_reasons_of_people_and_channels_have_sentences_and_unknown_ones_stand_for_themselves():
    assert sentence("taken_back") == OTHER_SENTENCES["taken_back"]
    assert sentence("something else") == "something else"


def test_every_purpose_has_a_row():
    assert set(PURPOSES) == set(Purpose)
