"""Owns the gate: whether a message of some purpose may go to a person now, and if not, why, until when, what instead.

Pure: `crm.outreach.queries.gate` collects the facts, `judge` decides. The order of the checks is that of the design
(docs/architecture.md, "May I write to this person?").
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from crm.consent.kinds import Purpose
from crm.outreach.facts import ConsentAnswer, Facts, MessageFacts, Other, PersonFacts, Policy
from crm.outreach.kinds import AccountState, BatchState
from crm.outreach.purposes import PURPOSES, Binding, PurposeNeeds
from crm.outreach.windows import opening_in

#: An exchange this recent keeps promotions away.
CONVERSATION_QUIET = timedelta(days=3)
#: The span over which the contact budget counts.
BUDGET_SPAN = timedelta(days=7)
#: When nobody can say how long an objection lasts, the machine looks again after this.
LOOK_AGAIN = timedelta(days=1)


class Disposition(StrEnum):
    """What becomes of a message that meets an objection."""

    SKIP = "skip"
    CANCEL = "cancel"
    HOLD = "hold"
    DEFER = "defer"


class Way(StrEnum):
    """The lawful way forward from an objection."""

    NONE = "none"
    OPEN_SURVIVOR = "open_survivor"
    RESTORE = "restore"
    OTHER_ADDRESS = "other_address"
    ASK_CONSENT = "ask_consent"
    LIFT_LIMIT = "lift_limit"
    WAIT_FOR_THEM = "wait_for_them"
    ANSWER_FIRST = "answer_first"
    WAIT = "wait"
    RESUME = "resume"
    FIX_ACCOUNT = "fix_account"
    CHOOSE_ACCOUNT = "choose_account"
    CHOOSE_OFFER = "choose_offer"
    FILL_IN = "fill_in"
    DECIDE = "decide"
    SEND_START_LINK = "send_start_link"
    CHOOSE_TEMPLATE = "choose_template"


class Reason(StrEnum):
    """Why a message may not leave (or, as a warning, what speaks against it)."""

    ERASED = "erased"
    MERGED = "merged"
    DELETED = "deleted"
    NO_HANDLE = "no_handle"
    HANDLE_GONE = "handle_gone"
    HANDLE_BOUNCED = "handle_bounced"
    HANDLE_BLOCKED = "handle_blocked"
    NEEDS_START = "needs_start"
    WINDOW_CLOSED = "window_closed"
    LIMITED = "processing_limited"
    SUPPRESSED = "suppressed"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    CONSENT_MISSING = "consent_missing"
    BATCH_CANCELLED = "batch_cancelled"
    BATCH_PAUSED = "batch_paused"
    SENDING_PAUSED = "sending_paused"
    PROMOTIONS_PAUSED = "promotions_paused"
    REPLIED = "replied"
    REDEEMED = "redeemed"
    COMPLAINT = "open_complaint"
    UNANSWERED = "unanswered"
    CONVERSATION = "conversation"
    COLLISION = "collision"
    BUDGET_PERSON = "budget_person"
    BUDGET_COMPANY = "budget_company"
    TOO_LATE = "too_late"
    TOO_EARLY = "too_early"
    OUTSIDE_WINDOW = "outside_window"
    NEVER_OPEN = "never_open"
    NO_ACCOUNT = "no_account"
    ACCOUNT_PAUSED = "account_paused"
    ACCOUNT_HELD = "account_held"
    DAILY_CAP = "daily_cap"
    PACE = "pace"
    DOMAIN_PACE = "domain_pace"
    VOUCHER_GONE = "voucher_gone"
    MISSING_VALUES = "missing_values"
    STALE = "stale"


_S, _H, _D = Disposition.SKIP, Disposition.HOLD, Disposition.DEFER
OUTLOOK: dict[Reason, tuple[Disposition, Way]] = {
    Reason.ERASED: (_S, Way.NONE),
    Reason.MERGED: (_S, Way.OPEN_SURVIVOR),
    Reason.DELETED: (_S, Way.RESTORE),
    Reason.NO_HANDLE: (_S, Way.OTHER_ADDRESS),
    Reason.HANDLE_GONE: (_S, Way.OTHER_ADDRESS),
    Reason.HANDLE_BOUNCED: (_S, Way.OTHER_ADDRESS),
    Reason.HANDLE_BLOCKED: (_S, Way.OTHER_ADDRESS),
    Reason.NEEDS_START: (_S, Way.SEND_START_LINK),
    Reason.WINDOW_CLOSED: (_S, Way.CHOOSE_TEMPLATE),
    Reason.LIMITED: (_H, Way.LIFT_LIMIT),
    Reason.SUPPRESSED: (_S, Way.WAIT_FOR_THEM),
    Reason.CONSENT_WITHDRAWN: (_S, Way.WAIT_FOR_THEM),
    Reason.CONSENT_MISSING: (_S, Way.ASK_CONSENT),
    Reason.BATCH_CANCELLED: (Disposition.CANCEL, Way.NONE),
    Reason.BATCH_PAUSED: (_H, Way.RESUME),
    Reason.SENDING_PAUSED: (_H, Way.RESUME),
    Reason.PROMOTIONS_PAUSED: (_H, Way.RESUME),
    Reason.REPLIED: (_S, Way.ANSWER_FIRST),
    Reason.REDEEMED: (_S, Way.NONE),
    Reason.COMPLAINT: (_H, Way.ANSWER_FIRST),
    Reason.UNANSWERED: (_H, Way.ANSWER_FIRST),
    Reason.CONVERSATION: (_H, Way.WAIT),
    Reason.COLLISION: (_H, Way.WAIT),
    Reason.BUDGET_PERSON: (_H, Way.WAIT),
    Reason.BUDGET_COMPANY: (_H, Way.WAIT),
    Reason.TOO_EARLY: (_D, Way.WAIT),
    Reason.TOO_LATE: (_S, Way.NONE),
    Reason.OUTSIDE_WINDOW: (_D, Way.WAIT),
    Reason.NEVER_OPEN: (_H, Way.DECIDE),
    Reason.NO_ACCOUNT: (_H, Way.CHOOSE_ACCOUNT),
    Reason.ACCOUNT_PAUSED: (_D, Way.RESUME),
    Reason.ACCOUNT_HELD: (_D, Way.FIX_ACCOUNT),
    Reason.PACE: (_D, Way.WAIT),
    Reason.DAILY_CAP: (_D, Way.WAIT),
    Reason.DOMAIN_PACE: (_D, Way.WAIT),
    Reason.VOUCHER_GONE: (_S, Way.CHOOSE_OFFER),
    Reason.MISSING_VALUES: (_H, Way.FILL_IN),
    Reason.STALE: (_H, Way.DECIDE),
}


@dataclass(frozen=True, slots=True)
class Objection:
    """One thing that speaks against sending; `binds` False is a warning for a person."""

    reason: Reason
    until: datetime | None = None
    binds: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """All objections in the order of the gate; the first binding one is the answer."""

    objections: tuple[Objection, ...] = ()

    @property
    def first(self) -> Objection | None:
        """The objection that decides, None when the message may leave."""
        return next((objection for objection in self.objections if objection.binds), None)

    @property
    def allowed(self) -> bool:
        """True when nothing binding speaks against it."""
        return self.first is None

    @property
    def reason(self) -> Reason | None:
        """The machine reason of a refusal."""
        return self.first.reason if self.first else None

    @property
    def until(self) -> datetime | None:
        """When the refusal ends by itself; None when it doesn't or nobody can tell."""
        return self.first.until if self.first else None

    @property
    def way(self) -> Way:
        """The lawful way forward."""
        return OUTLOOK[self.first.reason][1] if self.first else Way.NONE

    @property
    def disposition(self) -> Disposition | None:
        """What becomes of a message with this verdict."""
        return OUTLOOK[self.first.reason][0] if self.first else None

    @property
    def warnings(self) -> tuple[Objection, ...]:
        """What a person should know before sending anyway."""
        return tuple(objection for objection in self.objections if not objection.binds)


def lateness(*, due_at: datetime, attended_since: datetime) -> timedelta:
    """How late a message already was when its account began to be attended without a gap.

    Waiting for the account's own pace is no lateness: a queue of a thousand under a cap of 30 a minute is on time.
    An outage, a pause or a restore is.
    """
    return max(timedelta(0), attended_since - due_at)


def judge(facts: Facts, *, purpose: Purpose, at: datetime, policy: Policy) -> Verdict:
    """Decide whether a message of `purpose` may leave at `at` (UTC)."""
    return Verdict(tuple(_objections(facts, PURPOSES[purpose], at, policy)))


def _objections(facts: Facts, needs: PurposeNeeds, at: datetime, policy: Policy) -> Iterator[Objection]:
    if needs.reachable:
        yield from _alive(facts)
        yield from _network(facts, at)
        if facts.person is not None and facts.person.is_limited:
            yield Objection(Reason.LIMITED)
    if needs.suppression and facts.handle.is_suppressed:
        yield Objection(Reason.SUPPRESSED)
    if needs.consent and facts.person is not None:
        yield from _consent(facts.person)
    yield from _paused(facts.message, needs, policy)
    yield from _settled(facts)
    if facts.person is not None:
        yield from _talk(facts, facts.person, needs, at)
        yield from _budget(facts.person, needs.budget, at, policy)
    yield from _time(facts, needs, at, policy)
    yield from _account(facts)
    if facts.message.has_voucher and not facts.message.is_voucher_alive and not facts.message.is_voucher_redeemed:
        yield Objection(Reason.VOUCHER_GONE)
    if facts.message.has_missing_values:
        yield Objection(Reason.MISSING_VALUES)
    if facts.message.late_by > policy.late_after and not facts.message.is_late_accepted:
        yield Objection(Reason.STALE)


_HANDLE_REASONS = {
    None: Reason.NO_HANDLE,
    "gone": Reason.HANDLE_GONE,
    "bounced": Reason.HANDLE_BOUNCED,
    "blocked": Reason.HANDLE_BLOCKED,
}


def _alive(facts: Facts) -> Iterator[Objection]:
    person = facts.person
    if person is not None:
        if person.is_erased:
            yield Objection(Reason.ERASED)
        elif person.is_merged:
            yield Objection(Reason.MERGED)
        elif person.is_deleted:
            yield Objection(Reason.DELETED)
    reason = _HANDLE_REASONS.get(facts.handle.state)
    if reason is not None:
        yield Objection(reason)


def _network(facts: Facts, at: datetime) -> Iterator[Objection]:
    """What the network of the channel demands of whoever writes by machine."""
    handle = facts.handle
    if handle.state != "active":
        return
    if not handle.is_started:
        yield Objection(Reason.NEEDS_START)
    if handle.text_until is not None and at >= handle.text_until and not facts.message.has_template:
        yield Objection(Reason.WINDOW_CLOSED)


def _consent(person: PersonFacts) -> Iterator[Objection]:
    if person.consent is ConsentAnswer.WITHDRAWN:
        yield Objection(Reason.CONSENT_WITHDRAWN)
    elif person.consent is ConsentAnswer.MISSING:
        yield Objection(Reason.CONSENT_MISSING)


def _paused(message: MessageFacts, needs: PurposeNeeds, policy: Policy) -> Iterator[Objection]:
    if message.batch is BatchState.CANCELLED:
        yield Objection(Reason.BATCH_CANCELLED)
    elif message.batch is BatchState.PAUSED:
        yield Objection(Reason.BATCH_PAUSED)
    # A magic link is no outreach: whoever pauses sending still wants to sign in.
    if policy.is_sending_paused and needs.reachable:
        yield Objection(Reason.SENDING_PAUSED)
    if policy.are_promotions_paused and needs.promotional_pause:
        yield Objection(Reason.PROMOTIONS_PAUSED)


def _settled(facts: Facts) -> Iterator[Objection]:
    since, replied = facts.message.stop_if_replied_since, facts.person.last_reply_at if facts.person else None
    if since is not None and replied is not None and replied > since:
        yield Objection(Reason.REPLIED)
    if facts.message.has_voucher and facts.message.is_voucher_redeemed:
        yield Objection(Reason.REDEEMED)


def _talk(facts: Facts, person: PersonFacts, needs: PurposeNeeds, at: datetime) -> Iterator[Objection]:
    binds = needs.care is Binding.BINDS
    if needs.care is not Binding.NONE and person.complaint_since is not None:
        yield Objection(Reason.COMPLAINT, binds=binds)
    if needs.conversation:
        yield from _conversation(person, at)
    if needs.care is not Binding.NONE:
        until = collision_until(person.others, author_id=facts.message.author_id, only_by_hand=binds, at=at)
        if until is not None:
            yield Objection(Reason.COLLISION, until, binds=binds)


def collision_until(
    others: Iterable[Other], *, author_id: UUID | None, only_by_hand: bool, at: datetime
) -> datetime | None:
    """When the last message to the same person lies far enough back; None when none is near `at`.

    With `only_by_hand` it is what somebody wrote for this person alone, whoever it was: a promotion keeps away from it.
    Otherwise it is any message of a colleague, so that two people don't write about the same thing.
    """
    near = [
        other.at
        for other in others
        if abs(other.at - at) < CONVERSATION_QUIET
        and (other.is_by_hand if only_by_hand else other.author_id != author_id)
    ]
    return max(near) + CONVERSATION_QUIET if near else None


def _conversation(person: PersonFacts, at: datetime) -> Iterator[Objection]:
    if person.unanswered_since is not None:
        yield Objection(Reason.UNANSWERED)
    elif person.last_exchange_at is not None and person.last_exchange_at > at - CONVERSATION_QUIET:
        yield Objection(Reason.CONVERSATION, person.last_exchange_at + CONVERSATION_QUIET)


def _budget(person: PersonFacts, binding: Binding, at: datetime, policy: Policy) -> Iterator[Objection]:
    if binding is Binding.NONE:
        return
    for reason, uses, limit in (
        (Reason.BUDGET_PERSON, person.promotions, policy.promotional_per_week),
        (Reason.BUDGET_COMPANY, person.company_promotions, policy.company_per_week),
    ):
        free_at = budget_free_at(uses, limit=limit, at=at)
        if free_at is not None and free_at > at:
            yield Objection(reason, free_at, binds=binding is Binding.BINDS)


def budget_free_at(uses: tuple[datetime, ...], *, limit: int, at: datetime) -> datetime | None:
    """When one more message fits into `limit` per `BUDGET_SPAN`; `at` when it fits now, None when it never will."""
    if limit <= 0:
        return at + LOOK_AGAIN
    recent = sorted(use for use in uses if use > at - BUDGET_SPAN)
    return at if len(recent) < limit else recent[-limit] + BUDGET_SPAN


def _time(facts: Facts, needs: PurposeNeeds, at: datetime, policy: Policy) -> Iterator[Objection]:
    message = facts.message
    if message.not_after is not None and at > message.not_after:
        yield Objection(Reason.TOO_LATE)
    if message.not_before is not None and at < message.not_before:
        yield Objection(Reason.TOO_EARLY, message.not_before)
    if needs.window is Binding.NONE:
        return
    person = facts.person
    tz = (person.time_zone if person else "") or policy.time_zone
    country = (person.country if person else "") or policy.country
    opening = opening_in(at, policy.window, tz=tz, country=country)
    binds = needs.window is Binding.BINDS
    if opening is None:
        yield Objection(Reason.NEVER_OPEN, binds=binds)
    elif opening > at:
        yield Objection(Reason.OUTSIDE_WINDOW, opening, binds=binds)


def _account(facts: Facts) -> Iterator[Objection]:
    if facts.is_account_missing:
        yield Objection(Reason.NO_ACCOUNT)
    account = facts.account
    if account is None:
        return
    if account.state is AccountState.PAUSED:
        yield Objection(Reason.ACCOUNT_PAUSED)
    elif account.state is AccountState.HELD:
        yield Objection(Reason.ACCOUNT_HELD, account.held_until)
    if account.day_free_at is not None:
        yield Objection(Reason.DAILY_CAP, account.day_free_at)
    if account.pace_free_at is not None:
        yield Objection(Reason.PACE, account.pace_free_at)
