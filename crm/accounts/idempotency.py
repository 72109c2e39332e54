"""Owns Idempotency-Key: a POST to the API repeated with the same key gets the first answer, and works once.

The answer is written in the transaction of the work itself, so either both are there or neither.
"""

import hashlib
import json
from datetime import timedelta

from flask import Flask, Response, g, request
from sqlalchemy import select, text

from crm.accounts.models import IdempotencyKey
from crm.errors import ConflictError, InvalidInputError, worded
from crm.web.api import PREFIX
from crm.web.sessions import current_session, request_now

HEADER = "Idempotency-Key"
LONGEST_KEY = 200
KEPT = timedelta(hours=24)
KEPT_HEADERS = ("Location", "ETag")


def init_app(app: Flask) -> None:
    """Watch every POST below the API; must come after the guards and after the session's own hooks."""
    app.before_request(_replay)
    app.after_request(_remember)


def _replay() -> Response | None:
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST" or not request.path.startswith(f"{PREFIX}/") or "actor" not in g:
        return None
    if not key.strip() or len(key) > LONGEST_KEY:
        raise InvalidInputError(
            worded("Idempotency-Key must hold 1 to %(most)s characters.", most=LONGEST_KEY), code="bad_idempotency_key"
        )
    session, route = current_session(), f"{request.endpoint} {request.path}"
    # A second call with the key waits here until the first has committed, and then finds its answer.
    session.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"{g.actor.workspace_id} {route} {key}"},
    )
    row = session.scalar(select(IdempotencyKey).where(IdempotencyKey.route == route, IdempotencyKey.key == key))
    if row is not None and row.created_at <= request_now() - KEPT:
        session.delete(row)
        session.flush()
        row = None
    body_hash = hashlib.sha256(request.query_string + b"\n" + request.get_data(cache=True)).hexdigest()
    if row is None:
        g.idempotency = (route, key, body_hash)
        return None
    if row.body_hash != body_hash:
        raise ConflictError(worded("This Idempotency-Key was used with another body."), code="idempotency_key_reused")
    answer = Response(json.dumps(row.answer["body"]), status=row.status, mimetype="application/json")
    answer.headers.update(row.answer["headers"])
    answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _remember(response: Response) -> Response:
    remembered: tuple[str, str, str] | None = g.pop("idempotency", None)
    if remembered is None or response.status_code >= 400:  # noqa: PLR2004 - a refused call may be tried again.
        return response
    route, key, body_hash = remembered
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    session = current_session()
    session.add(
        IdempotencyKey(
            route=route,
            key=key,
            body_hash=body_hash,
            status=response.status_code,
            answer={"body": response.get_json(silent=True), "headers": headers},
            created_at=request_now(),
        )
    )
    session.flush()
    return response
