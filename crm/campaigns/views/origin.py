"""Where a deal came from: choosing the campaign."""

from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.campaigns import queries, services
from crm.campaigns.views.blueprint import blueprint
from crm.deals import queries as deals
from crm.web.forms import Form
from crm.web.i18n import _, lazy
from crm.web.sessions import current_session, request_now


class OriginForm(Form):
    """The campaign that a deal came from."""

    campaign_id = SelectField(lazy("Campaign"), validate_choice=False)


@blueprint.get("/deals/<uuid:deal_id>/origin")
@requires(Permission.EDIT)
def origin(deal_id: UUID) -> str:
    """Choose the campaign."""
    session, actor = current_session(), current_actor()
    card = deals.card(session, actor, deal_id=deal_id, now=request_now())
    found = queries.origin_of(session, actor, deal_id=deal_id, contact_id=card.contact_id)
    chosen = found.campaign_id if found and found.is_confirmed else ""
    return _page(deal_id, OriginForm(formdata=None, data={"campaign_id": str(chosen)}))


def _page(deal_id: UUID, form: OriginForm) -> str:
    session, actor = current_session(), current_actor()
    offered = [(str(key), name) for key, name in queries.origins(session, actor)]
    form.campaign_id.choices = [("", _("no campaign")), *offered]
    return render_template("campaigns/origin.html", form=form, deal=deals.deal(session, actor, deal_id=deal_id))


@blueprint.post("/deals/<uuid:deal_id>/origin")
@requires(Permission.EDIT)
def name_origin(deal_id: UUID) -> ResponseReturnValue:
    """Say it, or confirm what was suggested."""
    session, actor, form = current_session(), current_actor(), OriginForm()
    given = request.form.get("campaign_id", "")
    try:
        campaign_id = UUID(given) if given else None
    except ValueError:
        form.validate()
        form.campaign_id.errors = [_("Choose one of the list.")]
        return _page(deal_id, form), 422
    services.name_origin(session, actor, deal_id=deal_id, campaign_id=campaign_id, now=request_now())
    return redirect(url_for("deal_page.show", deal_id=deal_id), 303)
