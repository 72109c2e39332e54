"""Which mail about the inbox the reader wants: a digest each morning, and when a key person answers."""

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from crm.accounts import postbox
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.outreach.forms import NoticesForm
from crm.outreach.services.notices import choose_notices, notice_of
from crm.outreach.views.blueprint import blueprint
from crm.settings import current
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/settings/inbox")
@requires(Permission.WRITE)
def notices() -> str:
    """What the reader chose."""
    row = notice_of(current_session(), current_actor())
    hour = row.digest_hour if row is not None else None
    form = NoticesForm(
        formdata=None,
        data={
            "digest_hour": "" if hour is None else str(hour),
            "key_answers": row is not None and row.key_answers,
        },
    )
    return _page(form)


@blueprint.post("/settings/inbox")
@requires(Permission.WRITE)
def save_notices() -> ResponseReturnValue:
    """Keep the choice; it is the reader's own, in this workspace."""
    form = NoticesForm()
    if not form.validate_on_submit():
        return _page(form), 422
    choose_notices(
        current_session(),
        current_actor(),
        digest_hour=int(form.digest_hour.data) if form.digest_hour.data else None,
        key_answers=bool(form.key_answers.data),
        now=request_now(),
    )
    flash(_("Saved."), "success")
    return redirect(url_for(".notices"), code=303)


def _page(form: NoticesForm) -> str:
    return render_template("outreach/notices.html", form=form, is_ready=postbox.is_ready(current()))
