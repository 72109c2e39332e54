"""The search of the palette, and as a page of its own without script."""

from collections.abc import Sequence

from flask import render_template, request

from crm.accounts import places
from crm.accounts.guards import current_actor
from crm.contacts import queries
from crm.contacts.views.blueprint import blueprint, is_partial
from crm.web.i18n import translated
from crm.web.sessions import current_session

SHOWN = 8


@blueprint.get("/search")
def search() -> str | tuple[str, int]:
    """People, companies and what other domains find for `?q=`; as options for the palette, or as a page."""
    text = request.args.get("q", "").strip()[:200]
    hits: list[queries.SearchHit] = []
    groups: list[tuple[str, Sequence[places.Found]]] = []
    problem, limit = "", SHOWN if is_partial() else 30
    if text:
        try:
            hits = queries.search(current_session(), current_actor(), text=text, limit=limit)
        except queries.SearchTooBroadError as error:
            problem = translated(error.message)
        groups = places.found(text, limit)
    template = "contacts/_found.html" if is_partial() else "contacts/search.html"
    return render_template(template, text=text, hits=hits, groups=groups, problem=problem)
