"""The pace towards one mail domain: its cap, the slowing down by itself, and nobody else's delay."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from factories import outreach
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from crm.channels.base import Outcome, OutcomeKind
from crm.outreach import domain_pace
from crm.outreach.domain_pace import FIRST_RATE, MINUTE, Lane, Wanting, asks_to_slow, domain_of
from crm.outreach.pace_models import DomainPace

NOW = datetime(2026, 11, 23, 10, 0, 20, tzinfo=UTC)
THIS = NOW.replace(second=0)
FRESH = Lane(minute=THIS, tail=THIS)


def wanting(count: int, *, by_hand: bool = False, domain: str = "example.com") -> list[Wanting]:
    return [Wanting(UUID(int=number + 1), domain, by_hand) for number in range(count)]


@pytest.mark.parametrize(
    ("code", "detail", "kind", "slow"),
    [
        ("rcpt_450", "", OutcomeKind.RETRY_LATER, True),
        ("mail_421", "", OutcomeKind.RETRY_LATER, True),
        ("data_451", "4.7.28", OutcomeKind.RETRY_LATER, True),
        ("final_452", "4.7.0", OutcomeKind.RETRY_LATER, True),
        ("rcpt_451", "4.3.0", OutcomeKind.RETRY_LATER, False),
        ("rcpt_452", "4.2.2", OutcomeKind.RETRY_LATER, False),
        # Our own server is busy: that says nothing about the recipient's.
        ("greeting_421", "4.7.0", OutcomeKind.RETRY_LATER, False),
        ("auth_454", "4.7.0", OutcomeKind.RETRY_LATER, False),
        ("connect_refused", "", OutcomeKind.RETRY_LATER, False),
        ("final_421", "4.7.0", OutcomeKind.UNKNOWN, False),
    ],
)
def test_a_domain_asks_to_slow_down_in_its_own_stages_only(code, detail, kind, slow):
    assert asks_to_slow(Outcome(kind=kind, code=code, detail=detail)) is slow


@pytest.mark.parametrize(
    ("address", "domain"), [("Ann@Example.COM", "example.com"), ("a@b@c.it", "c.it"), ("+39333", ""), ("", "")]
)
def test_the_domain_of_an_address(address, domain):
    assert domain_of(address) == domain


def test_an_account_without_a_cap_is_not_counted():
    assert domain_pace.granted(FRESH, 500, cap=None, now=NOW) == (500, FRESH)


def test_a_minute_holds_as_many_as_the_cap_and_the_next_one_as_many_again():
    count, lane = domain_pace.granted(FRESH, 4, cap=5, now=NOW)
    assert count == 4
    count, lane = domain_pace.granted(lane, 4, cap=5, now=NOW + timedelta(seconds=30))
    assert count == 1
    assert domain_pace.granted(lane, 4, cap=5, now=THIS + MINUTE)[0] == 4


def test_each_request_halves_the_pace_and_doubles_the_pause_and_silence_undoes_it():
    lane = domain_pace.slowed(FRESH, now=NOW)
    assert lane.slow_until == NOW + MINUTE
    assert domain_pace.slowed(lane, now=NOW + timedelta(seconds=30)) == lane
    assert domain_pace.granted(lane, 1, cap=None, now=NOW + timedelta(seconds=59))[0] == 0
    after = NOW + 2 * MINUTE
    assert domain_pace.rate(lane, cap=None, now=after) == FIRST_RATE // 2
    assert domain_pace.rate(lane, cap=3, now=after) == 1
    again = domain_pace.slowed(lane, now=after)
    assert again.slow_until == after + 2 * MINUTE
    assert domain_pace.rate(again, cap=None, now=after + 3 * MINUTE) == FIRST_RATE // 4
    assert domain_pace.rate(again, cap=None, now=after + 13 * MINUTE) == FIRST_RATE // 2
    assert domain_pace.rate(again, cap=None, now=after + 23 * MINUTE) is None
    for _ in range(20):
        again = domain_pace.slowed(again, now=again.slow_until + MINUTE)
    assert again.slow_until - NOW < timedelta(hours=12)
    assert domain_pace.rate(again, cap=None, now=again.slow_until) == 1


@given(
    count=st.integers(1, 200),
    cap=st.none() | st.integers(1, 20),
    steps=st.integers(0, 6),
    pause=st.integers(0, 40),
)
def test_what_is_put_off_comes_back_in_order_and_never_more_a_minute_than_the_pace(count, cap, steps, pause):
    lane = Lane(minute=THIS, tail=THIS, steps=steps, slow_until=NOW + pause * MINUTE if steps else None)
    waiting = wanting(count)
    first, lane = domain_pace.put_off(lane, waiting[: count // 2], cap=cap, now=NOW)
    rest, lane = domain_pace.put_off(lane, waiting[count // 2 :], cap=cap, now=NOW)
    moments = [(first | rest)[each.message_id] for each in waiting]
    assert moments == sorted(moments)
    assert moments[0] > max(NOW, lane.slow_until or NOW)
    at_most = domain_pace.rate(lane, cap=cap, now=lane.slow_until or NOW) or FIRST_RATE
    assert max(Counter(moments).values()) <= at_most
    assert moments[-1] <= moments[0] + MINUTE * (count // at_most + 1)


def test_what_a_person_wrote_does_not_queue_behind_a_mailing():
    _, lane = domain_pace.put_off(FRESH, wanting(100), cap=2, now=NOW)
    moments, _ = domain_pace.put_off(lane, wanting(1, by_hand=True), cap=2, now=NOW)
    assert list(moments.values()) == [THIS + MINUTE]


# In the database


def admit(desk, *groups, cap, now=NOW):
    return domain_pace.admit(
        desk.session, account_id=desk.account.id, cap=cap, wanting=[each for group in groups for each in group], now=now
    )


def is_any_slow(desk, now) -> bool:
    since = domain_pace.slow_since(now)
    return desk.session.scalar(select(domain_pace.is_any_slow(account_id=desk.account.id, since=since)))


def test_each_domain_has_a_pace_of_its_own(desk):
    here, there = wanting(3), [Wanting(UUID(int=99), "other.example", False)]
    assert set(admit(desk, here, there, cap=2)) == {here[2].message_id}
    assert set(admit(desk, here, there, cap=2)) == {each.message_id for each in here}
    assert set(admit(desk, there, cap=2)) == {UUID(int=99)}


def test_without_a_cap_only_slow_domains_have_rows(desk):
    assert not is_any_slow(desk, NOW)
    assert admit(desk, wanting(3), cap=None) == {}
    assert desk.session.scalars(select(DomainPace)).all() == []
    domain_pace.slow_down(desk.session, account_id=desk.account.id, codes={"example.com": "rcpt_450"}, now=NOW)
    assert is_any_slow(desk, NOW)
    assert len(admit(desk, wanting(3), [Wanting(UUID(int=9), "other.example", False)], cap=None)) == 3
    (row,) = domain_pace.slow_domains(desk.session, account_id=desk.account.id, now=NOW)
    assert (row.domain, row.slow_until, row.code) == ("example.com", NOW + MINUTE, "rcpt_450")
    later = NOW + timedelta(hours=2)
    assert not is_any_slow(desk, later)
    assert domain_pace.slow_domains(desk.session, account_id=desk.account.id, now=later) == []


def test_accounts_do_not_share_a_pace(desk):
    other = outreach.account(desk.session, desk.actor, "Other")
    admit(desk, wanting(2), cap=2)
    assert domain_pace.admit(desk.session, account_id=other.id, cap=2, wanting=wanting(2), now=NOW) == {}
