"""Assembles the Flask application from settings: furniture, guards and the blueprints of every domain."""

from importlib import import_module
from pathlib import Path

from flask import Flask
from flask_wtf import CSRFProtect

from crm import wiring
from crm.accounts import guards
from crm.db import Database, ensure_can_not_bypass
from crm.desk import navigation
from crm.settings import Settings
from crm.web import errors, formats, headers, i18n, logs, sessions, vite

BLUEPRINTS: tuple[str, ...] = ()
"""`module:attribute` of every blueprint, in the order of the navigation; pages first, then the API."""

csrf = CSRFProtect()


def folder(name: str) -> Path:
    """A data folder (`templates`, `migrations`, `translations`): beside the package, or inside an installed wheel."""
    beside = Path(__file__).parent.parent / name
    return beside if beside.is_dir() else Path(__file__).parent / f"_{name}"


def create_app(settings: Settings, *, database: Database | None = None) -> Flask:
    """The application for `settings`; `database` replaces the pool made from `settings.database_url`.

    Raises `RuntimeError` when the database role can bypass row-level security.
    """
    app = Flask("crm", template_folder=str(folder("templates")))
    app.config.update(
        SECRET_KEY=settings.secret("secret_key"),
        SESSION_COOKIE_NAME="__Host-crm" if settings.is_https else "crm",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=settings.max_upload_mb * 1024 * 1024,
        WTF_CSRF_HEADERS=["X-CSRFToken"],
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.extensions["crm_settings"] = settings
    logs.init(level=settings.log_level, as_json=settings.log_json)
    i18n.init_app(app, folder("translations"))
    headers.init_app(app, is_https=settings.is_https)
    sessions.init_app(app, database or _checked(settings))
    errors.init_app(app)
    csrf.init_app(app)
    formats.init_app(app)
    vite.init_app(app)
    navigation.init_app(app)
    guards.init_app(app)
    for name in BLUEPRINTS:
        module, attribute = name.split(":")
        app.register_blueprint(getattr(import_module(module), attribute))
    return app


def _checked(settings: Settings) -> Database:
    database = Database(settings.database_url, handlers=wiring.handlers(), size=settings.worker_threads)
    with database.scope() as session:
        ensure_can_not_bypass(session)
    return database
