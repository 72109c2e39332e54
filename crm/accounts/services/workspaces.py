"""Creates workspaces and changes their settings."""

import re
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from crm.accounts.credentials import NewPassword
from crm.accounts.kinds import ActorKind, Permission, Role
from crm.accounts.models import Membership, User, Workspace
from crm.accounts.rules import Actor
from crm.accounts.services import audit, users
from crm.channels.addresses import DEFAULT_REGION, REGIONS
from crm.db import enter_workspace, new_id
from crm.errors import ConflictError, InvalidInputError, NotFoundError, worded
from crm.filters.text import normalise

# Any number will do, as long as nothing else locks it: two first sign-ups wait for each other.
FIRST_RUN_LOCK = 0x0F110D1
AUDIENCE_LIMITS = (1, 5000)
PER_WEEK_LIMITS = (1, 50)

_NOT_OFFERED: Final = worded("Choose one of the offered values.")
PER_WEEK_SENTENCE = worded("Write a number from 1 to 50. To let no promotion leave at all, pause promotions.")


class AlreadySetUpError(ConflictError):
    """The installation has users, so the first-run wizard is closed."""

    code = "already_set_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRun:
    """What the first step of the wizard asks."""

    email: str
    name: str
    password: NewPassword
    workspace_name: str
    locale: str
    time_zone: str
    country: str = DEFAULT_REGION


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceInput:
    """The settings of a workspace that its people can change; None leaves a value as it is."""

    name: str | None = None
    time_zone: str | None = None
    locale: str | None = None
    country: str | None = None
    postal_address: str | None = None
    window_start: str | None = None
    window_end: str | None = None
    window_days: str | None = None
    promotional_per_week: int | None = None
    company_per_week: int | None = None
    audience_limit: int | None = None
    second_approval: bool | None = None
    require_second_factor: bool | None = None


def is_first_run(session: Session) -> bool:
    """True while the installation has no user."""
    return session.scalar(select(User.id).limit(1)) is None


def first_run(session: Session, *, first: FirstRun, now: datetime) -> tuple[User, Workspace]:
    """The owner and the first workspace, together or not at all; leaves the session in that workspace.

    Of two at the same moment the second waits for the first and then meets `AlreadySetUpError`.
    """
    session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": FIRST_RUN_LOCK})
    if not is_first_run(session):
        raise AlreadySetUpError(worded("Somebody has set this installation up already. Sign in instead."))
    _checked_name(first.workspace_name, field="workspace_name")
    owner = users.create(session, email=first.email, name=first.name, password=first.password, locale=first.locale)
    workspace = create(
        session,
        owner=owner,
        name=first.workspace_name,
        locale=first.locale,
        time_zone=first.time_zone,
        country=first.country,
        now=now,
    )
    return owner, workspace


def create(
    session: Session,
    *,
    owner: User,
    name: str,
    locale: str = "it",
    time_zone: str = "Europe/Rome",
    country: str = DEFAULT_REGION,
    now: datetime,
) -> Workspace:
    """A new workspace with its owner; leaves the session in it. Raises `InvalidInputError` naming the field."""
    checked = _checked_name(name)
    users.checked_zone(time_zone)
    if country not in REGIONS:
        raise InvalidInputError(_NOT_OFFERED, fields={"country": _NOT_OFFERED})
    workspace = _with_free_slug(session, checked, locale=locale, time_zone=time_zone)
    workspace.country = country
    session.add(Membership(user_id=owner.id, role=Role.OWNER, created_at=now))
    owner.last_workspace_id = workspace.id
    session.flush()
    actor = Actor(workspace_id=workspace.id, kind=ActorKind.USER, role=Role.OWNER, user_id=owner.id, name=owner.name)
    audit.record(
        session,
        actor,
        action="workspace.created",
        object_kind="workspace",
        object_id=workspace.id,
        after={"name": checked},
    )
    return workspace


def change(session: Session, actor: Actor, *, changes: WorkspaceInput) -> Workspace:
    """Change the settings; raises `InvalidInputError` naming each wrong field, and changes nothing then."""
    actor.require(Permission.MANAGE_WORKSPACE)
    workspace = _own(session, actor)
    given = {name: value for name, value in asdict(changes).items() if value is not None}
    merged = {name: given.get(name, getattr(workspace, name)) for name in asdict(changes)}
    refused = _refusals(merged)
    if refused:
        raise InvalidInputError(worded("Some values are not possible."), fields=refused)
    before = {name: getattr(workspace, name) for name in given}
    for name, value in given.items():
        setattr(workspace, name, value.strip() if isinstance(value, str) else value)
    old, new = audit.changes(before, given)
    if new:
        audit.record(
            session,
            actor,
            action="workspace.changed",
            object_kind="workspace",
            object_id=workspace.id,
            before=old,
            after=new,
        )
    session.flush()
    return workspace


def pause(session: Session, actor: Actor, *, promotions: bool | None = None, sending: bool | None = None) -> Workspace:
    """Note that promotions or all sending are stopped, or go on; the gate reads this before every message.

    Outreach calls it and gives what it held back to the schedule.
    """
    actor.require(Permission.MANAGE_CHANNELS)
    workspace = session.get_one(
        Workspace, actor.workspace_id, populate_existing=True, with_for_update={"key_share": True}
    )
    before = {"promotions_paused": workspace.promotions_paused, "sending_paused": workspace.sending_paused}
    if promotions is not None:
        workspace.promotions_paused = promotions
    if sending is not None:
        workspace.sending_paused = sending
    old, new = audit.changes(before, {name: getattr(workspace, name) for name in before})
    if new:
        audit.record(
            session,
            actor,
            action="workspace.paused",
            object_kind="workspace",
            object_id=workspace.id,
            before=old,
            after=new,
        )
    session.flush()
    return workspace


def finish_set_up(session: Session, actor: Actor, *, now: datetime) -> Workspace:
    """Close the wizard of this workspace; closing it again changes nothing."""
    actor.require(Permission.MANAGE_WORKSPACE)
    workspace = _own(session, actor)
    if workspace.set_up_at is None:
        workspace.set_up_at = now
        session.flush()
    return workspace


def _own(session: Session, actor: Actor) -> Workspace:
    workspace = session.get(Workspace, actor.workspace_id)
    if workspace is None:
        raise NotFoundError
    return workspace


def _with_free_slug(session: Session, name: str, *, locale: str, time_zone: str) -> Workspace:
    """Insert the workspace under a readable slug; row-level security hides the taken ones, so try and see."""
    plain = re.sub(r"[^a-z0-9]+", "-", normalise(name)).strip("-")[:40] or "workspace"
    for slug in (plain, *(f"{plain}-{secrets.token_hex(2)}" for _ in range(5))):
        workspace = Workspace(id=new_id(), name=name, slug=slug, locale=locale, time_zone=time_zone)
        enter_workspace(session, workspace.id)
        try:
            with session.begin_nested():
                session.add(workspace)
        except IntegrityError:
            continue
        return workspace
    raise ConflictError(worded("No free address for this name. Try another name."))


def _refusals(values: dict[str, object]) -> dict[str, str]:
    """What is wrong with the settings, by field."""
    found: dict[str, str] = {}
    try:
        _checked_name(str(values["name"]))
        users.checked_zone(str(values["time_zone"]))
    except InvalidInputError as error:
        found.update(error.fields)
    if values["locale"] not in users.LOCALES:
        found["locale"] = _NOT_OFFERED
    if values["country"] not in REGIONS:
        found["country"] = _NOT_OFFERED
    start, end = str(values["window_start"]), str(values["window_end"])
    for name, value in (("window_start", start), ("window_end", end)):
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
            found[name] = worded("Write a time like 09:00.")
    # An end before the beginning lies on the next day; without any length nothing would ever leave.
    if "window_start" not in found and "window_end" not in found and start == end:
        found["window_end"] = worded("The sending hours begin and end at the same time. Leave some time between them.")
    days = str(values["window_days"]).split(",")
    if not all(day in "1234567" and len(day) == 1 for day in days):
        found["window_days"] = worded("Choose at least one day.")
    for name, (low, high), sentence in (
        ("promotional_per_week", PER_WEEK_LIMITS, PER_WEEK_SENTENCE),
        ("company_per_week", PER_WEEK_LIMITS, PER_WEEK_SENTENCE),
        ("audience_limit", AUDIENCE_LIMITS, worded("This number is too small or too large.")),
    ):
        value = values[name]
        if not isinstance(value, int) or not low <= value <= high:
            found[name] = sentence
    return found


def _checked_name(name: str, *, field: str = "name") -> str:
    found = name.strip()
    if not found or len(found) > 120 or any(ord(sign) < 32 for sign in found):  # noqa: PLR2004 - a line of print.
        message = worded("Write a name of up to 120 letters.")
        raise InvalidInputError(message, code="bad_name", fields={field: message})
    return found
