"""REST: who am I, the audit log, and the health of the installation."""

from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts import queries
from crm.accounts.guards import any_role, current_actor, requires
from crm.accounts.kinds import ActorKind, Permission, RecordAccess
from crm.accounts.queries import AuditFilter, AuditLine
from crm.accounts.rules import NARROWED, RIGHTS, sees
from crm.accounts.services import access, workspaces
from crm.accounts.services.workspaces import WorkspaceInput
from crm.accounts.views.operations import checks
from crm.web.api import (
    ApiModel,
    PageQuery,
    answer,
    api_blueprint,
    operation,
    page_answer,
    page_model,
    read_json,
    read_query,
)
from crm.web.sessions import current_session

blueprint = api_blueprint("accounts")


class WorkspaceOut(ApiModel):
    id: UUID
    name: str
    time_zone: str
    locale: str
    country: str = Field(description="ISO 3166 code: where phone numbers without a prefix belong.")
    currency: str


class WorkspacePatch(ApiModel):
    """The settings of the workspace; what is left out stays."""

    name: str = ""
    time_zone: str = Field("", description="IANA name, like Europe/Rome.")
    locale: str = Field("", description="it or en.")
    country: str = Field("", description="ISO 3166 code of two letters, like IT.")
    postal_address: str = Field("", max_length=500, description="Stands under every promotion.")
    window_start: str = Field("", description="From when promotions may arrive, like 09:00.")
    window_end: str = Field("", description="Until when, like 19:00.")
    window_days: str = Field("", description="On which days, 1 being Monday, like 1,2,3,4,5.")
    promotional_per_week: int = Field(0, description="Most promotions to one person in a week.")
    company_per_week: int = Field(0, description="Most messages to one company in a week.")
    audience_limit: int = Field(0, description="Most people in one campaign.")
    second_approval: bool = Field(False, description="Whether a second person approves campaigns.")
    require_second_factor: bool = Field(False, description="Whether everybody signs in with a second factor.")


class MeOut(ApiModel):
    kind: ActorKind
    name: str
    role: str | None
    permissions: list[Permission]
    user_id: UUID | None
    token_id: UUID | None
    workspace: WorkspaceOut


class AuditQuery(PageQuery):
    user_id: UUID | None = None
    action: str = ""
    object_id: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None


class AuditOut(ApiModel):
    id: UUID
    at: datetime
    actor_kind: ActorKind
    user_id: UUID | None
    user_name: str
    token_id: UUID | None
    action: str
    object_kind: str
    object_id: UUID | None
    request_id: str
    ip: str
    before: dict[str, Any]
    after: dict[str, Any]


class HealthOut(ApiModel):
    status: str
    version: str
    checks: dict[str, bool]


@blueprint.get("/me")
@operation(tag="me", returns=MeOut)
@any_role
def me() -> Response:
    """Who this token or session is, where, and what it may do."""
    actor = current_actor()
    row = queries.workspace(current_session(), actor)
    rights = RIGHTS[actor.role] if actor.role else frozenset()
    return answer(
        MeOut(
            kind=actor.kind,
            name=actor.name,
            role=actor.role,
            permissions=sorted(right for right in rights if actor.may(right)),
            user_id=actor.user_id,
            token_id=actor.token_id,
            workspace=WorkspaceOut.model_validate(row, extra="ignore"),
        )
    )


@blueprint.patch("/workspace")
@operation(tag="me", body=WorkspacePatch, returns=WorkspaceOut)
@requires(Permission.MANAGE_WORKSPACE)
def change_workspace() -> Response:
    """Change settings of the workspace; phone numbers that come in from now on are read by its country."""
    given = read_json(WorkspacePatch).model_dump(exclude_unset=True)
    row = workspaces.change(current_session(), current_actor(), changes=WorkspaceInput(**given))
    return answer(WorkspaceOut.model_validate(row, extra="ignore"))


@blueprint.get("/audit")
@operation(tag="audit", query=AuditQuery, returns=page_model(AuditOut))
@requires(Permission.SEE_AUDIT)
def audit() -> Response:
    """The audit log, the newest entry first."""
    query = read_query(AuditQuery)
    page = queries.audit_entries(
        current_session(),
        current_actor(),
        narrow=AuditFilter(
            user_id=query.user_id,
            action=query.action,
            object_id=query.object_id,
            since=query.since,
            before=query.before,
        ),
        after=query.after,
        limit=query.limit,
    )
    return page_answer(page, _line)


class RecordAccessModel(ApiModel):
    sales: RecordAccess
    community: RecordAccess
    viewer: RecordAccess


def _record_access() -> Response:
    chosen = queries.workspace(current_session(), current_actor()).record_access
    return answer(RecordAccessModel.model_validate({role.value: sees(role, chosen) for role in NARROWED}))


@blueprint.get("/record-access")
@operation(tag="me", returns=RecordAccessModel)
@requires(Permission.VIEW_OWN)
def read_record_access() -> Response:
    """Whose records each role sees: its own, its team's, or everybody's; owners and managers see everybody."""
    return _record_access()


@blueprint.put("/record-access")
@operation(tag="me", body=RecordAccessModel, returns=RecordAccessModel)
@requires(Permission.MANAGE_USERS)
def change_record_access() -> Response:
    """Choose whose records each role sees, from the next request on."""
    given = read_json(RecordAccessModel)
    chosen = {role: RecordAccess(getattr(given, role.value)) for role in NARROWED}
    access.set_record_access(current_session(), current_actor(), chosen=chosen)
    return _record_access()


@blueprint.get("/health")
@operation(tag="health", returns=HealthOut)
@any_role
def health() -> Response:
    """Whether the servers behind this process answer, and which release runs."""
    found = checks()
    return answer(HealthOut(status="ok" if all(found.values()) else "degraded", version=_release(), checks=found))


def _release() -> str:
    try:
        return version("filodiretto")
    except PackageNotFoundError:
        return "not installed"


def _line(line: AuditLine) -> AuditOut:
    entry, detail = line.entry, line.detail
    return AuditOut(
        id=entry.id,
        at=entry.at,
        actor_kind=ActorKind(entry.actor_kind),
        user_id=entry.user_id,
        user_name=line.who,
        token_id=entry.token_id,
        action=entry.action,
        object_kind=entry.object_kind,
        object_id=entry.object_id,
        request_id=entry.request_id,
        ip=detail.ip if detail else "",
        before=detail.before if detail else {},
        after=detail.after if detail else {},
    )
