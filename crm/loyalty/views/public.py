"""The public page of an offer: who holds the code sees what it gives; everything else looks alike."""

from flask import g, render_template
from flask.typing import ResponseReturnValue

from crm.accounts.guards import public
from crm.accounts.limits import limiter
from crm.loyalty import services
from crm.loyalty.services.public import NothingHereError
from crm.loyalty.views.blueprint import blueprint, qr
from crm.web.i18n import LOCALES
from crm.web.sessions import current_session, request_now


@blueprint.get("/o/<code>")
@public
@limiter.limit("60 per minute")
def offer_page(code: str) -> ResponseReturnValue:
    """What a code gives, with its QR for the till; looking changes nothing."""
    try:
        found = services.public_offer(current_session(), code=code, now=request_now())
    except NothingHereError:
        return render_template("loyalty/public.html", found=None), 404
    if found.language in LOCALES:
        g.locale = found.language
    return render_template(
        "loyalty/public.html",
        found=found,
        workspace_name=found.workspace_name,
        drawn=qr(found.voucher.code),
    )
