"""What machines ask: alive, ready, and the numbers for Prometheus."""

import hmac

import structlog
from flask import Response, abort, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from crm import jobs
from crm.accounts.guards import public
from crm.accounts.views.blueprint import blueprint
from crm.settings import Settings
from crm.web.sessions import current_session

log = structlog.get_logger(__name__)


@blueprint.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """200 while this process answers."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """200 when the servers behind this process answer too, else 503; what is wrong stands in the log only."""
    found = checks()
    is_ready = all(found.values())
    return jsonify({name: "ok" if fine else "failed" for name, fine in found.items()}), 200 if is_ready else 503


@blueprint.get("/metrics")
@public
def metrics() -> ResponseReturnValue:
    """Numbers for Prometheus, behind the bearer token of the settings; without one the page does not exist."""
    settings: Settings = current_app.extensions["crm_settings"]
    if not settings.metrics_token:
        abort(404)
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), settings.metrics_token.encode()):
        return Response("a bearer token is needed\n", status=401, headers={"WWW-Authenticate": "Bearer"})
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def checks() -> dict[str, bool]:
    """Whether each server behind this process answers: `database`, and `queue` when one is configured."""
    settings: Settings = current_app.extensions["crm_settings"]
    found = {"database": _database_answers()}
    if settings.redis_url:
        found["queue"] = _queue_answers(settings.redis_url)
    return found


def _database_answers() -> bool:
    try:
        current_session().execute(text("select 1"))
    except SQLAlchemyError as error:
        log.error("database_away", error_type=type(error).__name__)  # noqa: TRY400 - a trace says nothing more.
        return False
    return True


def _queue_answers(url: str) -> bool:
    try:
        jobs.connect(url).ping()
    except RedisError as error:
        log.error("queue_away", error_type=type(error).__name__)  # noqa: TRY400 - a trace says nothing more.
        return False
    return True
