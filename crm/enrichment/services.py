"""Owns asking sources and taking in what they answer: findings become facts, conflicts become suggestions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts import queries as accounts
from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.sentences import N_
from crm.contacts import queries as contact_queries
from crm.contacts import services as contacts
from crm.contacts.kinds import FactOrigin, FactState
from crm.contacts.models import Company, Fact
from crm.db import new_id
from crm.enrichment import queries, rules
from crm.enrichment.kinds import Choice, RunState, SourceName
from crm.enrichment.models import EnrichmentRun, EnrichmentSource
from crm.enrichment.sources import SOURCES
from crm.enrichment.sources.base import Found
from crm.errors import AppError, ConflictError, ForbiddenError, InvalidInputError


class SourceOffError(ForbiddenError):
    """The workspace did not switch this source on."""

    code = "source_off"


class NothingToAskError(InvalidInputError):
    """What the source needs is not known."""

    code = "nothing_to_ask"


class AskedRecentlyError(ConflictError):
    """The last look failed and is not repeated yet; `retry_at` says when."""

    code = "asked_recently"

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(N_("The website could not be read a short while ago. Try again later."))
        self.retry_at = retry_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a worker needs to ask, once it holds the run."""

    source: SourceName
    address: str
    country: str
    """ISO 3166 code of the company, else of the workspace: where its phone numbers without a prefix belong."""
    etag: str
    last_modified: str


def request_run(
    session: Session,
    actor: Actor,
    *,
    company_id: UUID | None = None,
    contact_id: UUID | None = None,
    source: SourceName = SourceName.WEBSITE,
    now: datetime,
) -> EnrichmentRun:
    """Ask for a look at `source` about a company, or about the company of a contact; the caller wakes a worker.

    A run that waits, works or ended within the last minute is given back instead of a second one. Raises
    `SourceOffError`, `NothingToAskError`, `AskedRecentlyError` and the not-found errors of contacts.
    """
    actor.require(Permission.EDIT)
    about = company_id or _company_of(session, actor, contact_id=contact_id)
    address = SOURCES[source].address(queries.subject(session, actor, company_id=about))
    if not queries.switch(session, actor, name=source).is_on:
        raise SourceOffError(N_("This source is off. A manager can switch it on in Settings."))
    if address is None:
        raise NothingToAskError(N_("Write the company's website first."))
    # The company's row serialises two people who ask at once.
    contact_queries.company(session, actor, company_id=about, lock=True)
    last = queries.latest_runs(session, actor, company_id=about).get(source)
    if last is not None:
        state = RunState(last.state)
        if rules.is_under_way(state, created_at=last.created_at, started_at=last.started_at, now=now):
            return last
        if last.address == address:
            if state is RunState.FAILED and last.retry_at is not None and last.retry_at > now:
                raise AskedRecentlyError(last.retry_at)
            if last.finished_at is not None and now - last.finished_at < rules.REPEAT_AFTER:
                return last
    run = EnrichmentRun(
        source=source,
        company_id=about,
        contact_id=contact_id,
        address=address,
        etag=last.etag if last is not None and last.address == address else "",
        last_modified=last.last_modified if last is not None and last.address == address else "",
        requested_by_id=actor.user_id,
        state=RunState.QUEUED,
        found=0,
        suggested=0,
        error_code="",
        extras=dict(last.extras) if last is not None else {},
        created_at=now,
    )
    session.add(run)
    session.flush()
    return run


def _company_of(session: Session, actor: Actor, *, contact_id: UUID | None) -> UUID:
    if contact_id is None:
        raise NothingToAskError(N_("Say whom to look up."))
    person = contact_queries.contact(session, actor, contact_id=contact_id)
    contacts.refuse_limited(session, contact_id=contact_id)
    if person.company_id is None:
        raise NothingToAskError(N_("This person has no company whose website could be read."))
    return person.company_id


def claim(session: Session, actor: Actor, *, run_id: UUID, now: datetime) -> Task | timedelta | None:
    """Take a waiting run: its task; or how long to wait for the source's pace; or None when there is nothing to do.

    A run that was lost with its worker can be taken again.
    """
    actor.require(Permission.EDIT)
    run = session.scalars(select(EnrichmentRun).where(EnrichmentRun.id == run_id).with_for_update()).one_or_none()
    if run is None or run.state not in {RunState.QUEUED, RunState.RUNNING}:
        return None
    is_lost = run.started_at is not None and now - run.started_at >= rules.LOST_AFTER
    if run.state == RunState.RUNNING and not is_lost:
        return None
    name = SourceName(run.source)
    # One row per source is the queue in front of it: workers of this workspace pass one after the other.
    session.scalars(select(EnrichmentSource.id).where(EnrichmentSource.source == name).with_for_update()).first()
    newest = select(func.max(EnrichmentRun.started_at)).where(EnrichmentRun.source == name, EnrichmentRun.id != run_id)
    wait = rules.wait_for_pace(last_started=session.scalar(newest), pace=SOURCES[name].pace, now=now)
    if wait:
        return wait
    run.state, run.started_at = RunState.RUNNING, now
    session.flush()
    about = session.scalar(select(Company.country).where(Company.id == run.company_id))
    country = about or accounts.workspace(session, actor).country
    return Task(source=name, address=run.address, country=country, etag=run.etag, last_modified=run.last_modified)


def settle(session: Session, actor: Actor, *, run_id: UUID, found: Found, now: datetime) -> EnrichmentRun | None:
    """Take in what a source answered; None when the run is not ours any more.

    A value that the field can't take is passed over: a website's mistake is not a reason to lose the rest.
    """
    run = _running(session, run_id)
    if run is None or run.company_id is None:
        return None
    if not found.not_modified:
        run.found = run.suggested = 0
        preferred = queries.switch(session, actor, name=SourceName(run.source)).always_prefer
        for finding in found.findings:
            _take(session, actor, run=run, found=found, field=finding.field, preferred=preferred, now=now)
        _link_handles(session, actor, run=run, found=found, now=now)
        run.extras = dict(found.extras)
    run.state, run.finished_at, run.error_code, run.retry_at = RunState.DONE, now, "", None
    run.etag, run.last_modified = found.etag, found.last_modified
    session.flush()
    return run


def _take(
    session: Session,
    actor: Actor,
    *,
    run: EnrichmentRun,
    found: Found,
    field: str,
    preferred: tuple[str, ...],
    now: datetime,
) -> None:
    finding = next(item for item in found.findings if item.field == field)
    try:
        fact = contacts.record_fact(
            session,
            actor,
            company_id=run.company_id,
            field=field,
            value=finding.value,
            origin=FactOrigin.FOUND,
            source=run.source,
            source_url=found.url,
            source_id=run.id,
            confidence=finding.confidence,
            now=now,
        )
    except InvalidInputError:
        return
    if fact is None:
        return
    if fact.state == FactState.SUGGESTED and field in preferred and not _is_typed(session, run=run, field=field):
        fact = contacts.decide_suggestion(session, actor, fact_id=fact.id, accept=True, now=now)
    if fact.state == FactState.SUGGESTED:
        run.suggested += 1
    else:
        run.found += 1


def _is_typed(session: Session, *, run: EnrichmentRun, field: str) -> bool:
    """Whether a person typed the current value; a value without an origin counts as typed."""
    wanted = select(Fact.origin).where(
        Fact.company_id == run.company_id, Fact.field == field, Fact.state == FactState.CURRENT
    )
    origin = session.scalars(wanted.limit(1)).one_or_none()
    return origin is None or origin == FactOrigin.TYPED


def _link_handles(session: Session, actor: Actor, *, run: EnrichmentRun, found: Found, now: datetime) -> None:
    """Give the company the addresses found, on channels where it has none; nobody's address is taken away."""
    owned = contact_queries.handles_of(session, actor, company_id=run.company_id)
    known = {handle.channel for handles in owned.values() for handle in handles}
    for handle in found.handles:
        if handle.channel in known:
            continue
        try:
            with session.begin_nested():
                contacts.add_handle(
                    session, actor, channel=handle.channel, address=handle.address, company_id=run.company_id, now=now
                )
        except AppError:
            # It belongs to somebody already, or the network would not take it: the page's claim is not enough.
            continue
        run.found += 1


def fail(
    session: Session, actor: Actor, *, run_id: UUID, code: str, retry_after: timedelta, now: datetime
) -> EnrichmentRun | None:
    """End a run without an answer and remember it for `retry_after`, so that the same is not asked again before."""
    actor.require(Permission.EDIT)
    run = _running(session, run_id)
    if run is None:
        return None
    run.state, run.finished_at, run.error_code, run.retry_at = RunState.FAILED, now, code, now + retry_after
    session.flush()
    return run


def _running(session: Session, run_id: UUID) -> EnrichmentRun | None:
    wanted = select(EnrichmentRun).where(EnrichmentRun.id == run_id, EnrichmentRun.state == RunState.RUNNING)
    return session.scalars(wanted.with_for_update()).one_or_none()


def decide(session: Session, actor: Actor, *, fact_id: UUID, choice: Choice, now: datetime) -> Fact:
    """Take a suggestion over, keep one's own value, or let its source replace this field from now on.

    What a person typed is still only ever suggested against. Raises the errors of `contacts.decide_suggestion`.
    """
    fact = contacts.decide_suggestion(session, actor, fact_id=fact_id, accept=choice is not Choice.REJECT, now=now)
    if choice is Choice.ALWAYS and fact.source in set(SourceName):
        row = _source_row(session, actor, name=SourceName(fact.source))
        if fact.field not in row.always_prefer:
            row.always_prefer = [*row.always_prefer, fact.field]
            _note(session, actor, row, before={"always_prefer": row.always_prefer[:-1]})
    return fact


def set_switch(
    session: Session,
    actor: Actor,
    *,
    name: SourceName,
    is_on: bool,
    always_prefer: tuple[str, ...] | None = None,
    now: datetime,  # noqa: ARG001 - every service receives it.
) -> EnrichmentSource:
    """Switch a source on or off for the workspace, and set the fields it may replace (None leaves them)."""
    actor.require(Permission.MANAGE_CHANNELS)
    row = _source_row(session, actor, name=name)
    before = {"is_on": row.is_on, "always_prefer": list(row.always_prefer)}
    row.is_on = is_on
    if always_prefer is not None:
        row.always_prefer = [field for field in SOURCES[name].says if field in always_prefer]
    _note(session, actor, row, before=before)
    session.flush()
    return row


def _source_row(session: Session, actor: Actor, *, name: SourceName) -> EnrichmentSource:
    session.execute(
        insert(EnrichmentSource)
        .values(id=new_id(), workspace_id=actor.workspace_id, source=name)
        .on_conflict_do_nothing(index_elements=["workspace_id", "source"])
    )
    wanted = select(EnrichmentSource).where(EnrichmentSource.source == name).with_for_update()
    return session.scalars(wanted.execution_options(populate_existing=True)).one()


def _note(session: Session, actor: Actor, row: EnrichmentSource, *, before: dict[str, object]) -> None:
    after = {"is_on": row.is_on, "always_prefer": list(row.always_prefer)}
    earlier, later = audit.changes({**after, **before}, after)
    if later:
        audit.record(
            session,
            actor,
            action="enrichment.source_changed",
            object_kind="enrichment_source",
            object_id=row.id,
            before=earlier,
            after=later,
        )
