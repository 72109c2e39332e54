"""The blueprint of loyalty's pages, its words, and how a code is drawn."""

from io import BytesIO
from typing import cast

import segno
from flask import Blueprint, Flask
from flask.blueprints import BlueprintSetupState
from markupsafe import Markup

from crm.loyalty import words

blueprint = Blueprint("loyalty", __name__)


@blueprint.record_once
def _add(state: BlueprintSetupState) -> None:
    words.init_app(cast("Flask", state.app))


def qr(code: str) -> Markup:
    """The code as an inline SVG; a scanner that works as a keyboard types it into the till's field."""
    drawn = BytesIO()
    segno.make(code, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=True, omitsize=True, nl=False, border=0, svgclass=None, lineclass=None
    )
    # Built by segno from a code of our own alphabet: nothing in it comes from outside.
    return Markup(drawn.getvalue().decode())  # noqa: S704
