"""Direct messages add up after whatever happened to them, and each state has the evidence that belongs to it."""

from collections import Counter
from datetime import timedelta

from factories import outreach
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from crm.channels.base import Outcome, OutcomeKind
from crm.consent.kinds import Purpose
from crm.errors import AppError
from crm.interactions.models import Interaction
from crm.outreach import queries, services
from crm.outreach.kinds import MessageState
from crm.outreach.models import Attempt, AttemptOutcome, Claim, Message
from crm.outreach.services.claim import claim, finish, release_held
from crm.outreach.services.outcomes import Finished
from crm.outreach.services.recover import recover
from crm.outreach.services.wave import wave

LEASE = timedelta(seconds=120)
_S = MessageState
#: What a person counts, and the states behind each.
COUNTED = {
    "waiting": {_S.DRAFT, _S.IN_REVIEW, _S.APPROVED, _S.SCHEDULED, _S.CLAIMED, _S.SENDING},
    "sent": {_S.SENT},
    "skipped": {_S.SKIPPED},
    "held": {_S.HELD},
    "failed": {_S.FAILED},
    "uncertain": {_S.UNCERTAIN},
    "cancelled": {_S.CANCELLED},
    "rejected": {_S.REJECTED},
}
OPERATIONS = (
    "write",
    "write_promotion",
    "take_back",
    "cancel",
    "hold",
    "release",
    "claim",
    "crash",
    *(f"answer_{kind.value}" for kind in OutcomeKind),
    "arrived",
    "again",
    "pause",
    "resume",
    "pass_time",
)


class Life:
    """A desk to which things happen; whatever is not possible just now is refused and changes nothing."""

    def __init__(self, desk, now) -> None:
        self.desk, self.session, self.actor, self.now = desk, desk.session, desk.actor, now
        self.written = 0

    def happens(self, operation: str, place: int) -> None:
        self.now += timedelta(seconds=30)
        savepoint = self.session.begin_nested()
        written = self.written
        try:
            if operation.startswith("answer_"):
                self.answer(OutcomeKind(operation.removeprefix("answer_")), place)
            else:
                getattr(self, operation)(place)
        except AppError:
            self.written = written
            savepoint.rollback()
        else:
            savepoint.commit()
        self.session.expire_all()

    def _one(self, place: int):
        found = self.session.scalars(select(Message.id).order_by(Message.created_at, Message.id)).all()
        return found[place % len(found)] if found else None

    def _take(self):
        return claim(
            self.session, self.actor, account_id=self.desk.account.id, worker="test", lease=LEASE, now=self.now
        )

    def write(self, _place: int, purpose: Purpose = Purpose.PERSONAL) -> None:
        self.written += 1
        outreach.message(self.session, self.actor, self.desk.contact_id, purpose=purpose, now=self.now)

    def write_promotion(self, place: int) -> None:
        self.write(place, Purpose.PROMOTIONAL)

    def take_back(self, place: int) -> None:
        if (key := self._one(place)) is not None:
            services.take_back(self.session, self.actor, message_id=key, now=self.now)

    def _many(self, service, place: int) -> None:
        if (key := self._one(place)) is not None:
            service(self.session, self.actor, message_ids=[key], now=self.now)

    def cancel(self, place: int) -> None:
        self._many(services.cancel, place)

    def hold(self, place: int) -> None:
        self._many(services.hold, place)

    def release(self, place: int) -> None:
        self._many(services.release, place)

    def claim(self, _place: int) -> None:
        if (claimed := self._take()) is not None:
            finish(self.session, self.actor, claim_id=claimed.claim_id, now=self.now)

    def crash(self, place: int) -> None:
        """A sender dies after it began some of what it had taken."""
        if (claimed := self._take()) is not None:
            some = claimed.items[: place % 3]
            wave(self.session, self.actor, claimed=claimed, finished=[], following=some, now=self.now)
            lapsed = update(Claim).where(Claim.id == claimed.claim_id)
            self.session.execute(lapsed.values(leased_until=func.now() - LEASE))
            recover(self.session, self.actor, claim_id=claimed.claim_id, now=self.now)

    def answer(self, kind: OutcomeKind, place: int) -> None:
        if (claimed := self._take()) is None:
            return
        begun = wave(
            self.session,
            self.actor,
            claimed=claimed,
            finished=[],
            following=claimed.items[: place % 3 + 1],
            now=self.now,
        ).started
        done = [Finished(each, Outcome(kind=kind, code=f"rcpt_{kind.value}")) for each in begun]
        wave(self.session, self.actor, claimed=claimed, finished=done, following=[], now=self.now)
        finish(self.session, self.actor, claim_id=claimed.claim_id, now=self.now)

    def _settle(self, place: int, decision: services.Decision) -> None:
        if (key := self._one(place)) is not None:
            services.resolve_uncertain(self.session, self.actor, message_id=key, decision=decision, now=self.now)

    def arrived(self, place: int) -> None:
        self._settle(place, services.Decision.ARRIVED)

    def again(self, place: int) -> None:
        self._settle(place, services.Decision.SEND_AGAIN)

    def pause(self, place: int) -> None:
        services.pause_sending(self.session, self.actor, promotions_only=bool(place % 2))

    def resume(self, place: int) -> None:
        services.resume_sending(self.session, self.actor, promotions_only=bool(place % 2), now=self.now)

    def pass_time(self, place: int) -> None:
        self.now += timedelta(hours=place)
        release_held(self.session, self.actor, now=self.now)


def check(life: Life) -> None:
    counts = queries.counts(life.session, life.actor)
    assert set().union(*COUNTED.values()) | {_S.RECEIVED} == set(_S)
    numbers = {name: sum(counts.get(state, 0) for state in states) for name, states in COUNTED.items()}
    assert sum(numbers.values()) == sum(counts.values()) == life.written
    rows = life.session.execute(select(Message.id, Message.state, Message.claim_id, Message.due_at)).all()
    ended = life.session.execute(
        select(Attempt.message_id, AttemptOutcome.kind).join(AttemptOutcome, AttemptOutcome.attempt_id == Attempt.id)
    ).all()
    accepted = {message_id for message_id, kind in ended if kind == OutcomeKind.ACCEPTED}
    on_timeline = Counter(life.session.scalars(select(Interaction.source_id).where(Interaction.kind == "message.sent")))
    for row in rows:
        assert (row.state in {_S.CLAIMED, _S.SENDING}) is (row.claim_id is not None)
        assert row.state != _S.SCHEDULED or row.due_at is not None
        assert (row.state == _S.SENT) is (row.id in accepted)
        assert on_timeline[row.id] == (1 if row.state == _S.SENT else 0)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 5)), max_size=16))
def test_direct_messages_add_up_after_whatever_happened(desk, now, steps):
    savepoint = desk.session.begin_nested()
    life = Life(desk, now)
    life.write(0)
    for operation, place in steps:
        life.happens(operation, place)
        check(life)
    savepoint.rollback()
    desk.session.expire_all()
