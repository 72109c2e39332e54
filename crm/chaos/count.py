"""Counts after a run: compares what the mail server's journal knows with what PostgreSQL says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.chaos.house import hash_of
from crm.chaos.scene import Fault, Scene
from crm.interactions.models import Interaction
from crm.outreach.kinds import MessageState
from crm.outreach.models import Attempt, AttemptOutcome, FrozenContent, Message

#: What a message can end as; the numbers of these must add up to what was planned.
ENDS = (
    MessageState.SENT,
    MessageState.SKIPPED,
    MessageState.HELD,
    MessageState.FAILED,
    MessageState.UNCERTAIN,
    MessageState.CANCELLED,
    MessageState.REJECTED,
)


@dataclass
class Result:
    """What one run came to. `violations` is empty when the promise held."""

    seed: int
    fault: str
    family: str
    messages: int
    sent: int = 0
    lost: int = 0
    twice: int = 0
    uncertain: int = 0
    bound: int = 0
    held: int = 0
    recovery: float = 0.0
    violations: list[str] = field(default_factory=list)

    def expect(self, is_right: bool, otherwise: str) -> None:
        """Note a violation unless it holds."""
        if not is_right:
            self.violations.append(otherwise)


@dataclass(frozen=True)
class Row:
    """A message with the words that were approved for it, its attempts, and its place on the timeline."""

    reference: str
    state: str
    approved: str
    recipient: str
    subject: str
    text: str
    attempts: tuple[tuple[str, datetime, int], ...]
    entries: int


def judge(scene: Scene, fault: Fault, result: Result, rows: Sequence[Row]) -> None:
    """Fill in the numbers, and every violation of the promise; `rows` is all that the database says."""
    states = Counter(row.state for row in rows)
    taken = Counter(entry["reference"] for entry in scene.mail.taken())
    by_reference = {row.reference: row for row in rows}
    result.sent = states[MessageState.SENT]
    result.held = states[MessageState.HELD]
    result.uncertain = states[MessageState.UNCERTAIN] if scene.uncertain is None else scene.uncertain
    result.bound = unanswered(scene) if fault.bound is None else fault.bound
    result.twice = sum(1 for count in taken.values() if count > 1)
    stuck = [row for row in rows if row.state not in ENDS]
    phantom = [row for row in rows if row.state == MessageState.SENT and not taken[row.reference]]
    result.lost = len(stuck) + len(phantom) + max(0, scene.number - len(rows))
    result.expect(len(rows) == scene.number, f"{scene.number} were planned, {len(rows)} are there")
    result.expect(sum(states[state] for state in ENDS) == scene.number, f"the numbers don't add up: {dict(states)}")
    result.expect(not result.lost, f"lost: {len(stuck)} never ended, {len(phantom)} are sent without having left")
    result.expect(not result.twice, f"{result.twice} left twice")
    result.expect(result.uncertain <= result.bound, f"{result.uncertain} uncertain, {result.bound} are the bound")
    result.expect(not result.held, f"{result.held} held")
    result.expect(set(taken) <= set(by_reference), "a reference that nobody wrote left")
    for entry in scene.mail.taken():
        row = by_reference.get(entry["reference"])
        if row is not None:
            _compare(entry, row, scene, result)
    for row in rows:
        _look_at(row, result)


def _compare(entry: dict[str, object], row: Row, scene: Scene, result: Result) -> None:
    """What left is what was approved, is known to have left, and left before its person asked for silence."""
    result.expect(
        row.state in {MessageState.SENT, MessageState.UNCERTAIN}, f"{row.reference} left and counts as {row.state}"
    )
    same = (entry["text"], entry["subject"], entry["recipient"]) == (hash_of(row.text), row.subject, row.recipient)
    result.expect(same, f"{row.reference} left with other words than approved")
    closed_at = scene.house.closed.get(row.recipient)
    if closed_at is not None:
        result.expect(
            all(started_at <= closed_at for _, started_at, _ in row.attempts), f"{row.recipient} was written to"
        )


def _look_at(row: Row, result: Result) -> None:
    result.expect(
        row.entries == (1 if row.state == MessageState.SENT else 0),
        f"{row.reference} is {row.state} and {row.entries} times on the timeline",
    )
    result.expect(
        all(hashed == row.approved for hashed, _, _ in row.attempts), f"{row.reference}: not what was approved"
    )
    result.expect(all(outcomes for _, _, outcomes in row.attempts), f"{row.reference} has an attempt without an end")


def unanswered(scene: Scene) -> int:
    """How many final dots the server left without a clear answer; nobody but a person can know about these.

    421 is what a proxy says that may have passed the message on; any other refusal is clear.
    """
    silent = {"hang", "drop", "garbage", "swallow"}
    return sum(
        1
        for line in scene.mail.faults()
        if (line["stage"] == "final" and line["fault"] in silent)
        or (line["stage"] == "data" and line["fault"] == "twice")
        or (line["stage"] == "final" and line["code"] == 421)  # noqa: PLR2004 - RFC 1047.
    )


def rows_of(session: Session) -> list[Row]:
    """Every message of the workspace."""
    outcomes = (
        select(AttemptOutcome.attempt_id, func.count().label("number")).group_by(AttemptOutcome.attempt_id).subquery()
    )
    attempts: dict[UUID, list[tuple[str, datetime, int]]] = {}
    for message_id, hashed, started_at, number in session.execute(
        select(
            Attempt.message_id, Attempt.content_hash, Attempt.started_at, func.coalesce(outcomes.c.number, 0)
        ).outerjoin(outcomes, outcomes.c.attempt_id == Attempt.id)
    ):
        attempts.setdefault(message_id, []).append((hashed, started_at, number))
    counted = select(Interaction.source_id, func.count()).where(Interaction.source_kind == "message")
    entries = {source_id: count for source_id, count in session.execute(counted.group_by(Interaction.source_id))}  # noqa: C416 - rows are no pairs to the type checker.
    found = session.execute(
        select(
            Message.id,
            Message.reference,
            Message.state,
            Message.approved_hash,
            FrozenContent.to_address,
            FrozenContent.subject,
            FrozenContent.text,
        ).outerjoin(
            FrozenContent, (FrozenContent.message_id == Message.id) & (FrozenContent.hash == Message.approved_hash)
        )
    ).all()
    return [
        Row(
            reference=row.reference or "",
            state=row.state,
            approved=row.approved_hash or "",
            recipient=row.to_address,
            subject=row.subject,
            text=row.text,
            attempts=tuple(attempts.get(row.id, ())),
            entries=entries.get(row.id, 0),
        )
        for row in found
    ]
