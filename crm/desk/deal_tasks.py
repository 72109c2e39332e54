"""The page that adds a task to a deal."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.contacts.inputs import parsed
from crm.deals import queries, services
from crm.errors import InvalidInputError
from crm.interactions.services import TaskInput
from crm.interactions.task_forms import TaskForm
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("deal_tasks", __name__)


@blueprint.get("/deals/<uuid:deal_id>/tasks/new")
@requires(Permission.EDIT)
def new_task(deal_id: UUID) -> str:
    """An empty task about the deal."""
    actor = current_actor()
    form = TaskForm(formdata=None).offer(contacts.colleagues(current_session(), actor))
    form.assignee_id.data = str(actor.user_id or "")
    return _page(deal_id, form)


@blueprint.post("/deals/<uuid:deal_id>/tasks/new")
@requires(Permission.EDIT)
def add_task(deal_id: UUID) -> ResponseReturnValue:
    """Add the task; it is about the deal's main person, too."""
    session, actor = current_session(), current_actor()
    form = TaskForm().offer(contacts.colleagues(session, actor))
    if form.validate_on_submit():
        try:
            data = parsed(TaskInput, form.changes())
            services.add_task(session, actor, deal_id=deal_id, data=data, now=request_now())
        except InvalidInputError as error:
            form.absorb(error)
        else:
            return redirect(url_for("deal_page.show", deal_id=deal_id), 303)
    return _page(deal_id, form), 422


def _page(deal_id: UUID, form: TaskForm) -> str:
    card = queries.card(current_session(), current_actor(), deal_id=deal_id, now=request_now())
    return render_template(
        "interactions/task.html",
        form=form,
        task=None,
        linked=[],
        above=card.title,
        back=url_for("deal_page.show", deal_id=deal_id),
        action=url_for(".add_task", deal_id=deal_id),
    )
