"""Public pages behind a capability link: what a person wants to receive, and the one-click way out (RFC 8058)."""

from flask import Blueprint, abort, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import public
from crm.accounts.limits import limiter
from crm.consent.kinds import ConsentPurpose
from crm.db import enter_workspace
from crm.outreach.links import STAND_IN, PreferenceToken
from crm.outreach.services import optout
from crm.outreach.setup import links
from crm.portal.forms import WORDING_VERSION, PreferencesForm
from crm.web.i18n import LOCALES
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("portal", __name__)
#: Blueprint of the address that mail programs post to: they send neither cookies nor a CSRF token.
one_click = Blueprint("one_click", __name__)


def _opened(token: str) -> tuple[PreferenceToken, optout.Preferences]:
    """Whose link this is and what they get now, in their language; 404, with a way on, for what we did not sign."""
    known = links().read_preference_token(token)
    if known is None:
        abort(make_response(render_template("portal/broken.html", is_stand_in=token == STAND_IN), 404))
    session = current_session()
    enter_workspace(session, known.workspace_id)
    found = optout.preferences(session, token=known)
    if found.language in LOCALES:
        g.locale = found.language
    return known, found


@blueprint.get("/p/<token>")
@public
@limiter.limit("60 per minute")
def preferences(token: str) -> str:
    """Show what the person receives; looking changes nothing."""
    _known, found = _opened(token)
    form = PreferencesForm(
        promotional=found.wants[ConsentPurpose.PROMOTIONAL], personal=found.wants[ConsentPurpose.PERSONAL]
    )
    return render_template(
        "portal/preferences.html",
        form=form,
        token=token,
        workspace_name=found.house_name,
        saved=request.args.get("saved") == "1",
    )


@blueprint.post("/p/<token>")
@public
@limiter.limit("20 per minute")
def save(token: str) -> ResponseReturnValue:
    """Record what the person chose, with the sentence they saw."""
    known, found = _opened(token)
    form = PreferencesForm()
    if not form.validate_on_submit():
        page = render_template("portal/preferences.html", form=form, token=token, workspace_name=found.house_name)
        return page, 422
    optout.set_preferences(
        current_session(),
        token=known,
        wants={ConsentPurpose.PROMOTIONAL: form.promotional.data, ConsentPurpose.PERSONAL: form.personal.data},
        wording=str(form.promotional.label.text),
        wording_version=f"{WORDING_VERSION}-{g.get('locale', 'en')}",
        now=request_now(),
    )
    return redirect(url_for(".preferences", token=token, saved=1), code=303)


@one_click.get("/u/<token>")
@public
@limiter.limit("60 per minute")
def ask(token: str) -> str:
    """Ask before stopping: scanners open links, so a GET changes nothing."""
    _known, found = _opened(token)
    return render_template("portal/stop.html", token=token, workspace_name=found.house_name, stopped=False)


@one_click.post("/u/<token>")
@public
@limiter.limit("60 per minute")
def stop(token: str) -> ResponseReturnValue:
    """Stop promotions at once; the answer is never a redirect (RFC 8058, section 3.2)."""
    known, found = _opened(token)
    optout.unsubscribe(current_session(), token=known, now=request_now())
    page = render_template("portal/stop.html", token=token, workspace_name=found.house_name, stopped=True)
    return make_response(page, 200)
