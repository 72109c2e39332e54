"""Owns the database session of a request: opened on first use, committed by a response below 400, else rolled back."""

from datetime import datetime

from flask import Flask, Response, current_app, g
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from crm.db import Database, commit, database_now, rollback

EXTENSION = "crm_database"


def init_app(app: Flask, database: Database) -> None:
    """Give each request one session and end it by the commit rule."""
    app.extensions[EXTENSION] = database
    app.after_request(_end)
    app.teardown_request(_close)


def current_database() -> Database:
    """The database of the running application."""
    return current_app.extensions[EXTENSION]


def current_session() -> Session:
    """The request's session; it sees no tenant row until a guard has entered a workspace."""
    if "session" not in g:
        g.session = current_database().session()
    return g.session


def request_now() -> datetime:
    """The database's time, read once a request and passed down to services."""
    if "now" not in g:
        g.now = database_now(current_session())
    return g.now


def _end(response: Response) -> Response:
    session: Session | None = g.get("session")
    if session is not None:
        if response.status_code < 400:  # noqa: PLR2004 - the commit rule is stated in terms of the status.
            commit(session)
        else:
            rollback(session)
    return response


def _close(error: BaseException | None) -> None:
    session: Session | None = g.pop("session", None)
    if session is not None:
        if error is not None and not isinstance(error, HTTPException):
            rollback(session)
        session.close()
