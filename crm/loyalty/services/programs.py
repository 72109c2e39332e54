"""Starts and changes loyalty programmes."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.clock import UnknownZoneError, zone
from crm.errors import InvalidInputError, NotFoundError, worded
from crm.loyalty.errors import NoProgramError
from crm.loyalty.models import Program


class ProgramInput(BaseModel):
    """What can be said about a programme; `point_value_minor` is what one point costs the firm when it is used."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=80)
    time_zone: str = Field("", max_length=64)
    point_value_minor: int = Field(1, ge=0, le=100_000, strict=True)
    validity_months: int | None = Field(None, ge=1, le=120, strict=True)
    rules_text: str = Field("", max_length=20_000)
    started_on: date | None = None
    ends_on: date | None = None

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value:
            try:
                zone(value)
            except UnknownZoneError as error:
                raise ValueError(worded("This is not a time zone like Europe/Rome.")) from error
        return value


def create_program(session: Session, actor: Actor, *, data: ProgramInput, now: datetime) -> Program:  # noqa: ARG001
    """Start a programme; the first one of a workspace is its default. Zone and currency come from the workspace.

    Raises `InvalidInputError` when it ends before it starts, `ForbiddenError`.
    """
    actor.require(Permission.MANAGE_LOYALTY)
    _require_order(data)
    workspace = session.get_one(Workspace, actor.workspace_id)
    program = Program(
        is_default=not session.scalar(select(exists().where(Program.is_default))),
        currency=workspace.currency,
        **{**data.model_dump(), "time_zone": data.time_zone or workspace.time_zone},
    )
    session.add(program)
    session.flush()
    return program


def update_program(
    session: Session,
    actor: Actor,
    *,
    program_id: UUID,
    data: ProgramInput,
    now: datetime,  # noqa: ARG001
) -> Program:
    """Change a programme; points that were given keep their expiry, new rules text gets a new version.

    Raises `NotFoundError`, `InvalidInputError`, `ForbiddenError`.
    """
    actor.require(Permission.MANAGE_LOYALTY)
    _require_order(data)
    program = session.scalar(select(Program).where(Program.id == program_id).with_for_update())
    if program is None:
        raise NotFoundError(worded("There is no such programme."))
    if data.rules_text != program.rules_text:
        program.rules_version += 1
    for name, value in data.model_dump(exclude={"time_zone"}).items():
        setattr(program, name, value)
    program.time_zone = data.time_zone or program.time_zone
    session.flush()
    return program


def program_or_default(session: Session, *, program_id: UUID | None) -> Program:
    """The programme with this id, or the workspace's default; raises `NotFoundError` or `NoProgramError`."""
    if program_id is not None:
        program = session.get(Program, program_id)
        if program is None:
            raise NotFoundError(worded("There is no such programme."))
        return program
    program = session.scalar(select(Program).where(Program.is_default))
    if program is None:
        raise NoProgramError(worded("There is no loyalty programme yet. Start one first."))
    return program


def _require_order(data: ProgramInput) -> None:
    if data.started_on and data.ends_on and data.ends_on < data.started_on:
        sentence = worded("It ends before it starts.")
        raise InvalidInputError(sentence, fields={"ends_on": sentence})
