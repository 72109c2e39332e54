"""REST: texts to start from, and what one person would read."""

from datetime import datetime
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.outreach import queries, services
from crm.outreach.api.blueprint import blueprint, may_write
from crm.outreach.models import Template
from crm.web.api import ApiModel, answer, etag, expected_version, operation, page_answer, page_model, parsed, read_json
from crm.web.paging import Page
from crm.web.sessions import current_session, request_now

FIELDS = ("name", "purpose", "channel", "language", "subject", "body")


class TemplateOut(ApiModel):
    id: UUID
    name: str
    purpose: Purpose
    channel: ChannelKind
    language: str
    subject: str
    body: str
    version: int
    created_at: datetime
    updated_at: datetime


class TemplateCreate(ApiModel):
    """Subject and body are Liquid; the body of an e-mail is Markdown."""

    name: str
    purpose: Purpose = Purpose.PERSONAL
    channel: ChannelKind = ChannelKind.EMAIL
    language: str = Field("it", description="it or en.")
    subject: str = ""
    body: str


class TemplatePatch(ApiModel):
    """What is not named stays."""

    name: str = ""
    purpose: Purpose = Purpose.PERSONAL
    channel: ChannelKind = ChannelKind.EMAIL
    language: str = "it"
    subject: str = ""
    body: str = ""


class RenderIn(ApiModel):
    contact_id: UUID


class RenderOut(ApiModel):
    """What this person would read; `missing` names the variables without a value, which would hold the message."""

    subject: str
    text: str
    html: str
    missing: list[str]


@blueprint.get("/templates")
@may_write
@operation(tag="templates", returns=page_model(TemplateOut))
def list_templates() -> Response:
    """List templates by name."""
    return page_answer(Page(queries.templates(current_session(), current_actor()), None), TemplateOut.model_validate)


@blueprint.post("/templates")
@may_write
@operation(tag="templates", body=TemplateCreate, returns=TemplateOut, status=201)
def create_template() -> Response:
    """Keep a text; mistakes in its variables are told at the field."""
    data = parsed(services.TemplateInput, read_json(TemplateCreate).model_dump())
    row = services.create_template(current_session(), current_actor(), data=data, now=request_now())
    return _one(row, 201, Location=f"/api/v1/templates/{row.id}")


@blueprint.get("/templates/<uuid:template_id>")
@may_write
@operation(tag="templates", returns=TemplateOut, refuses=(404,))
def read_template(template_id: UUID) -> Response:
    """Read a template; the ETag names the version."""
    return _one(queries.template(current_session(), current_actor(), template_id=template_id))


@blueprint.patch("/templates/<uuid:template_id>")
@may_write
@operation(tag="templates", body=TemplatePatch, returns=TemplateOut, refuses=(404, 409))
def change_template(template_id: UUID) -> Response:
    """Change a template; drafts made from it keep their words and ask for another look."""
    session, actor = current_session(), current_actor()
    row = queries.template(session, actor, template_id=template_id)
    changes = read_json(TemplatePatch).model_dump(exclude_unset=True)
    data = parsed(services.TemplateInput, {**{name: getattr(row, name) for name in FIELDS}, **changes})
    row = services.update_template(
        session,
        actor,
        template_id=template_id,
        data=data,
        expected_version=expected_version(),
        now=request_now(),
    )
    return _one(row)


@blueprint.delete("/templates/<uuid:template_id>")
@may_write
@operation(tag="templates", status=204, refuses=(404,))
def delete_template(template_id: UUID) -> Response:
    """Remove a template; what was written from it stays."""
    services.delete_template(current_session(), current_actor(), template_id=template_id, now=request_now())
    return Response(status=204)


@blueprint.post("/templates/<uuid:template_id>/render")
@may_write
@operation(tag="templates", body=RenderIn, returns=RenderOut, refuses=(404,))
def render_template(template_id: UUID) -> Response:
    """What a person would read; sends and keeps nothing."""
    session, actor = current_session(), current_actor()
    row = queries.template(session, actor, template_id=template_id)
    found = services.preview(
        session,
        actor,
        contact_id=read_json(RenderIn).contact_id,
        subject=row.subject,
        body=row.body,
        channel=ChannelKind(row.channel),
    )
    return answer(RenderOut(subject=found.subject, text=found.text, html=found.html or "", missing=list(found.missing)))


def _one(row: Template, status: int = 200, **headers: str) -> Response:
    return answer(TemplateOut.model_validate(row), status, {"ETag": etag(row.version), **headers})
