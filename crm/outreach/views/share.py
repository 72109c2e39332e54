"""What the share menu of a phone hands in: shown with the question whose words it is, and kept only after that."""

from typing import Any, Final

from flask import Blueprint, current_app, jsonify, render_template, request
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, public, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.outreach import queries
from crm.outreach.pasted import MAX_PASTED
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("share", __name__)

#: How many people stand first: those one wrote to by hand last.
_RECENT: Final = 8
_FOUND: Final = 10
#: A text file beyond this is a whole chat, which belongs into the history.
_MAX_FILE: Final = 60_000


@blueprint.get("/manifest.webmanifest")
@public
def manifest() -> Response:
    """What a phone must know to install the app and to offer it in its share menu."""
    icon = current_app.jinja_env.globals["asset"]("logo.svg")  # pyright: ignore[reportCallIssue]
    answer = jsonify(
        {
            "id": "/",
            "name": "Filodiretto",
            "short_name": "Filodiretto",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": "#F6F5F2",
            "theme_color": "#F6F5F2",
            "icons": [{"src": icon, "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
            "share_target": {
                "action": "/share",
                "method": "POST",
                "enctype": "multipart/form-data",
                "params": {
                    "title": "title",
                    "text": "text",
                    "url": "url",
                    "files": [{"name": "files", "accept": ["text/plain", ".txt"]}],
                },
            },
        }
    )
    answer.mimetype = "application/manifest+json"
    return answer


@blueprint.get("/share")
@requires(Permission.WRITE)
def blank() -> str:
    """The same page with nothing shared, to paste into."""
    return _page("", "", too_big=False)


@blueprint.post("/share")
@requires(Permission.WRITE)
def shared() -> str:
    """Whose words are these? Nothing is kept by this request."""
    parts = [request.form.get(name, "").strip() for name in ("text", "url")]
    text, too_big = "\n".join(dict.fromkeys(part for part in parts if part)), False
    for file in request.files.getlist("files"):
        raw = file.stream.read(_MAX_FILE + 1)
        if len(raw) > _MAX_FILE:
            too_big = True
        else:
            text = f"{text}\n{raw.decode('utf-8', 'replace')}".strip()
    if len(text) > MAX_PASTED:
        text, too_big = text[:MAX_PASTED], True
    return _page(text, request.form.get("q", ""), too_big=too_big)


def _page(text: str, wanted: str, *, too_big: bool) -> str:
    session, actor = current_session(), current_actor()
    found: list[Any] = contacts.search(session, actor, text=wanted, limit=_FOUND) if wanted.strip() else []
    recent = queries.recent_by_hand(session, actor, limit=_RECENT, now=request_now())
    return render_template("outreach/share.html", text=text, wanted=wanted, found=found, recent=recent, too_big=too_big)
