"""REST: a workspace's own kinds of entry, labels, and keyword rules."""

from datetime import datetime
from uuid import UUID

from flask import Response

from crm.accounts.guards import current_actor
from crm.interactions import queries, services
from crm.interactions.api.blueprint import blueprint
from crm.interactions.kinds import Sentiment, Tone
from crm.interactions.services import KeywordInput, KindInput, LabelInput
from crm.interactions.timeline_models import KeywordRule
from crm.web.api import ApiModel, answer, operation, page_answer, page_model, read_json
from crm.web.paging import Page
from crm.web.sessions import current_session, request_now


class KindOut(ApiModel):
    """A kind of the workspace's own; `key` is what `kind` of an interaction holds."""

    key: str
    name: str
    icon: str
    tone: Tone
    archived_at: datetime | None


class EntryLabelOut(ApiModel):
    id: UUID
    key: str
    name: str
    tone: Tone
    archived_at: datetime | None


class KeywordRuleOut(ApiModel):
    id: UUID
    phrase: str
    sentiment: Sentiment | None
    label_id: UUID | None


@blueprint.get("/interaction-kinds")
@operation(tag="interactions", returns=page_model(KindOut))
def list_kinds() -> Response:
    """List the kinds that this workspace added, archived ones too."""
    rows = queries.own_kinds(current_session(), current_actor(), with_archived=True)
    return page_answer(Page(rows, None), KindOut.model_validate)


@blueprint.post("/interaction-kinds")
@operation(tag="interactions", body=KindInput, returns=KindOut, status=201)
def create_kind() -> Response:
    """Add a kind; its key follows from the name."""
    row = services.add_kind(current_session(), current_actor(), data=read_json(KindInput), now=request_now())
    return answer(KindOut.model_validate(row), 201)


@blueprint.put("/interaction-kinds/<own_kind>")
@operation(tag="interactions", body=KindInput, returns=KindOut, refuses=(404,))
def change_kind(own_kind: str) -> Response:
    """Change name, icon and colour of a kind."""
    row = services.change_kind(current_session(), current_actor(), key=own_kind, data=read_json(KindInput))
    return answer(KindOut.model_validate(row))


@blueprint.delete("/interaction-kinds/<own_kind>")
@operation(tag="interactions", status=204, refuses=(404,))
def archive_kind(own_kind: str) -> Response:
    """Archive a kind: it is offered no longer, and entries keep it."""
    services.archive_kind(current_session(), current_actor(), key=own_kind, is_archived=True, now=request_now())
    return Response(status=204)


@blueprint.get("/interaction-labels")
@operation(tag="interactions", returns=page_model(EntryLabelOut))
def list_labels() -> Response:
    """List the labels, archived ones too."""
    rows = queries.labels(current_session(), current_actor(), with_archived=True)
    return page_answer(Page(rows, None), EntryLabelOut.model_validate)


@blueprint.post("/interaction-labels")
@operation(tag="interactions", body=LabelInput, returns=EntryLabelOut, status=201)
def create_label() -> Response:
    """Add a label."""
    row = services.add_label(current_session(), current_actor(), data=read_json(LabelInput), now=request_now())
    return answer(EntryLabelOut.model_validate(row), 201)


@blueprint.put("/interaction-labels/<uuid:label_id>")
@operation(tag="interactions", body=LabelInput, returns=EntryLabelOut, refuses=(404,))
def change_label(label_id: UUID) -> Response:
    """Change name and colour of a label."""
    row = services.change_label(current_session(), current_actor(), label_id=label_id, data=read_json(LabelInput))
    return answer(EntryLabelOut.model_validate(row))


@blueprint.delete("/interaction-labels/<uuid:label_id>")
@operation(tag="interactions", status=204, refuses=(404,))
def archive_label(label_id: UUID) -> Response:
    """Archive a label: it is offered no longer, and entries keep it."""
    services.archive_label(current_session(), current_actor(), label_id=label_id, is_archived=True, now=request_now())
    return Response(status=204)


@blueprint.get("/keyword-rules")
@operation(tag="interactions", returns=page_model(KeywordRuleOut))
def list_rules() -> Response:
    """List the words and phrases that give what people write a sentiment or a label."""
    rows = [rule for rule, _label in queries.keyword_rows(current_session(), current_actor())]
    return page_answer(Page(rows, None), _shown)


@blueprint.post("/keyword-rules")
@operation(tag="interactions", body=KeywordInput, returns=KeywordRuleOut, status=201, refuses=(404,))
def create_rule() -> Response:
    """Add a word or phrase; the same phrase again replaces what it said."""
    row = services.add_rule(current_session(), current_actor(), data=read_json(KeywordInput), now=request_now())
    return answer(_shown(row), 201)


@blueprint.delete("/keyword-rules/<uuid:keyword_rule_id>")
@operation(tag="interactions", status=204, refuses=(404,))
def delete_rule(keyword_rule_id: UUID) -> Response:
    """Remove a rule; what it said about earlier entries stays."""
    services.delete_rule(current_session(), current_actor(), rule_id=keyword_rule_id)
    return Response(status=204)


def _shown(row: KeywordRule) -> KeywordRuleOut:
    return KeywordRuleOut.model_validate(row)
