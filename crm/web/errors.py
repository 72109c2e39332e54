"""Owns what a caller sees when something is refused: an error page, a partial, or an RFC 9457 problem document."""

from typing import Any, Final

import structlog
from flask import Flask, Response, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from crm.db import rollback
from crm.errors import AppError, ConflictError, MovedError, worded
from crm.web.i18n import _, translated
from crm.web.uploads import refuse_large

log = structlog.get_logger(__name__)

PAGES = frozenset({403, 404, 405, 413, 429, 500, 503})

#: What programs read where the refusal itself has no sentence; pages have their own.
SENTENCES = {
    400: worded("This request can’t be understood."),
    401: worded("Sign in first."),
    403: worded("You may not do this."),
    404: worded("There is nothing here, or you may not see it."),
    405: worded("This address does not take such a request."),
    415: worded("Send JSON, with Content-Type: application/json."),
    429: worded("That was too often. Wait a little, then go on."),
    500: worded("Something broke on our side; nothing was changed."),
    503: worded("This is not available just now. Try again soon."),
}


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(AppError, _refused)
    app.register_error_handler(MovedError, _moved)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(StaleDataError, _stale)
    app.register_error_handler(IntegrityError, _collision)
    app.register_error_handler(DBAPIError, _broken_off)
    app.register_error_handler(Exception, _crash)


def problem(
    status: int,
    code: str,
    message: str = "",
    *,
    fields: dict[str, str] | None = None,
    extra: dict[str, Any] | None = None,
) -> Response:
    """An `application/problem+json` answer (RFC 9457) with our `code` and messages per field."""
    body: dict[str, Any] = {
        "type": f"urn:filodiretto:problem:{code}",
        "title": message or code.replace("_", " "),
        "status": status,
        "code": code,
        "errors": fields or {},
        "request_id": g.get("request_id", ""),
        **(extra or {}),
    }
    response = jsonify(body)
    response.status_code = status
    response.content_type = "application/problem+json"
    return response


def wants_json() -> bool:
    """True for the API and for callers that prefer JSON to HTML."""
    return request.path.startswith("/api/") or (
        request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
    )


def error_response(status: int, code: str, message: str = "", fields: dict[str, str] | None = None) -> Response:
    """The error as a problem document or as a page that says what happened and what to do."""
    if "session" in g:
        rollback(g.session)
    if wants_json():
        return problem(status, code, message or translated(SENTENCES.get(status, "")), fields=fields)
    html = render_template(
        f"errors/{_page(status)}.html",
        status=status,
        description=message,
        fields=fields or {},
        request_id=g.get("request_id", ""),
    )
    return Response(html, status=status, mimetype="text/html")


def _page(status: int) -> str:
    if status in PAGES:
        return str(status)
    return "500" if status >= 500 else "refused"  # noqa: PLR2004 - the classes of HTTP.


def _csrf(error: CSRFError) -> Response:
    if wants_json():
        return error_response(400, "csrf", error.description or "")
    return Response(render_template("errors/csrf.html", request_id=g.get("request_id", "")), status=400)


def _refused(error: AppError) -> Response:
    log.info("refused", code=error.code, status=error.status, path=request.path)
    fields = {name: translated(message) for name, message in error.fields.items()}
    return error_response(error.status, error.code, translated(error.message), fields)


def _moved(error: MovedError) -> ResponseReturnValue:
    """Lead an old address to the new one, with the same method (RFC 9110, 308), where the id stands in the path."""
    given = request.view_args or {}
    if error.old_id not in given.values() or request.endpoint is None:
        return _refused(error)
    if "session" in g:
        rollback(g.session)
    there: dict[str, Any] = {name: error.new_id if value == error.old_id else value for name, value in given.items()}
    address = url_for(request.endpoint, **there)
    query = request.query_string.decode()
    return redirect(f"{address}?{query}" if query else address, code=308)


def _http(error: HTTPException) -> Response:
    if error.response is not None:
        return error.response  # type: ignore[return-value]
    status = error.code or 500
    response = error_response(status, (error.name or "error").lower().replace(" ", "_"))
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after", "www-authenticate"}:
            response.headers[name] = value
    return response


def _too_large(_error: RequestEntityTooLarge) -> Response:
    return error_response(413, "file_too_large", refuse_large())


def _stale(_error: StaleDataError) -> Response:
    return error_response(
        ConflictError.status,
        "changed_meanwhile",
        _("Somebody changed this meanwhile. Look again and repeat your change."),
    )


def _collision(error: IntegrityError) -> Response:
    # Two people did the same thing at once: the database let one through.
    log.warning(
        "collision", path=request.path, constraint=getattr(getattr(error.orig, "diag", None), "constraint_name", "")
    )
    return error_response(ConflictError.status, "conflict", _("This exists already or is in use."))


#: Serialization failure and deadlock: PostgreSQL broke off one of two, so that the other one could go on.
_BROKEN_OFF: Final = frozenset({"40001", "40P01"})


def _broken_off(error: DBAPIError) -> Response:
    if getattr(error.orig, "sqlstate", None) not in _BROKEN_OFF:
        return _crash(error)
    log.warning("broken_off", path=request.path, sqlstate=getattr(error.orig, "sqlstate", None))
    return error_response(
        ConflictError.status,
        "at_the_same_moment",
        _("Somebody else changed the same at this moment; nothing of yours was changed. Try again."),
    )


def _crash(error: Exception) -> Response:
    log.error("crashed", path=request.path, exc_info=error)
    if "session" in g:
        rollback(g.session)
    return error_response(500, "crashed")
