"""What consent allows, as pure decisions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose
from crm.consent.rules import Policy, Reason, State, address_hash, follows, hint, latest, policy_of, verdict

DAY = datetime(2026, 1, 1, tzinfo=UTC)
PROMO, PERSONAL = ConsentPurpose.PROMOTIONAL, ConsentPurpose.PERSONAL
GRANTED, WITHDRAWN = ConsentAction.GRANTED, ConsentAction.WITHDRAWN


def state(action=GRANTED, basis=Basis.CONSENT, day=0):
    return State(action=action, basis=basis, since=DAY + timedelta(days=day))


def ask(purpose, states, channel="email", policy=None):
    return verdict(purpose, channel, states, policy or Policy())


def test_nobody_who_was_never_asked_gets_a_promotion():
    assert ask(Purpose.PROMOTIONAL, {}) is Reason.NO_BASIS


def test_a_hand_written_message_needs_no_recorded_basis():
    assert ask(Purpose.PERSONAL, {}) is None


@pytest.mark.parametrize("purpose", [Purpose.REPLY, Purpose.SERVICE, Purpose.SYSTEM])
def test_replies_service_and_system_messages_need_no_consent(purpose):
    everything_off = {(PROMO, ""): state(WITHDRAWN), (PERSONAL, ""): state(WITHDRAWN)}
    assert ask(purpose, everything_off) is None


@pytest.mark.parametrize(
    ("basis", "channel", "reason"),
    [
        (Basis.CONSENT, "email", None),
        (Basis.CONSENT, "whatsapp", None),
        (Basis.SOFT_OPT_IN, "email", None),
        (Basis.SOFT_OPT_IN, "whatsapp", Reason.BASIS_NOT_ENOUGH),
        (Basis.CONTRACT, "email", Reason.BASIS_NOT_ENOUGH),
        (Basis.LEGITIMATE_INTEREST, "email", Reason.BASIS_NOT_ENOUGH),
        (Basis.UNKNOWN, "email", Reason.NO_BASIS),
    ],
)
def test_the_strict_policy_asks_for_consent_or_own_similar_products_by_email(basis, channel, reason):
    assert ask(Purpose.PROMOTIONAL, {(PROMO, channel): state(basis=basis)}, channel) is reason


def test_a_consent_for_one_channel_says_nothing_about_another():
    assert ask(Purpose.PROMOTIONAL, {(PROMO, "email"): state()}, "telegram") is Reason.NO_BASIS


def test_a_consent_for_every_channel_holds_on_each():
    assert ask(Purpose.PROMOTIONAL, {(PROMO, ""): state()}, "telegram") is None


def test_the_newer_of_one_channel_and_every_channel_holds():
    grant_then_stop = {(PROMO, "email"): state(day=1), (PROMO, ""): state(WITHDRAWN, day=2)}
    stop_then_grant = {(PROMO, ""): state(WITHDRAWN, day=1), (PROMO, "email"): state(day=2)}
    assert ask(Purpose.PROMOTIONAL, grant_then_stop) is Reason.OPTED_OUT
    assert ask(Purpose.PROMOTIONAL, stop_then_grant) is None


def test_an_objection_to_personal_messages_ends_promotions_until_agreed_again():
    objected = {(PROMO, "email"): state(day=1), (PERSONAL, ""): state(WITHDRAWN, day=2)}
    agreed_again = {(PROMO, "email"): state(day=3), (PERSONAL, ""): state(WITHDRAWN, day=2)}
    assert ask(Purpose.PROMOTIONAL, objected) is Reason.OPTED_OUT
    assert ask(Purpose.PROMOTIONAL, agreed_again) is None
    assert ask(Purpose.PERSONAL, agreed_again) is Reason.OPTED_OUT


def test_no_promotions_please_leaves_personal_messages_open():
    assert ask(Purpose.PERSONAL, {(PROMO, ""): state(WITHDRAWN)}) is None


def test_a_workspaces_policy_replaces_the_strict_one_for_what_it_names():
    policy = policy_of({"promotional": {"*": ["consent", "legitimate_interest", "nonsense"]}, "bogus": {"*": ["x"]}})
    given = {(PROMO, "email"): state(basis=Basis.LEGITIMATE_INTEREST)}
    assert ask(Purpose.PROMOTIONAL, given, policy=policy) is None
    assert ask(Purpose.PERSONAL, {}, policy=policy) is None
    assert ask(Purpose.PROMOTIONAL, given, policy=policy_of(None)) is Reason.BASIS_NOT_ENOUGH


events = st.lists(st.tuples(st.sampled_from(list(ConsentAction)), st.integers(0, 4)), min_size=1, max_size=8)


@given(events, st.randoms())
def test_the_state_after_events_does_not_depend_on_their_order(history, shuffle):
    def after(ordered):
        now = None
        for action, day in ordered:
            new = state(action, day=day)
            if now is None or follows(now, action=new.action, happened_at=new.since):
                now = new
        return now

    shuffled = list(history)
    shuffle.shuffle(shuffled)
    assert after(shuffled) == after(history)
    assert latest({(PROMO, ""): after(history)}, PROMO, "email") == after(history)


def test_an_address_hash_depends_on_key_channel_and_address():
    base = address_hash("k", "email", "a@example.com")
    assert base == address_hash(b"k", "email", "a@example.com")
    others = {address_hash("j", "email", "a@example.com"), address_hash("k", "sms", "a@example.com")}
    assert base not in others | {address_hash("k", "email", "b@example.com")}


@pytest.mark.parametrize(
    ("address", "shown"), [("giulia@example.com", "g…@example.com"), ("+393471234567", "+39…567"), ("abc", "a…")]
)
def test_a_hint_shows_too_little_to_write_to(address, shown):
    assert hint(address) == shown
