"""Assembles the Flask application from settings: furniture, guards and the blueprints of every domain."""

from importlib import import_module
from pathlib import Path

from flask import Blueprint, Flask
from flask_wtf import CSRFProtect

from crm import wiring
from crm.accounts import guards, idempotency, limits, security
from crm.db import Database, ensure_can_not_bypass
from crm.desk import inbox_person, navigation
from crm.jobs import JobQueue, Jobs
from crm.settings import Settings
from crm.web import api, characters, errors, formats, headers, i18n, logs, sessions, vite

BLUEPRINTS: tuple[str, ...] = (
    "crm.accounts.views:blueprint",
    "crm.desk.aside:blueprint",
    "crm.desk.today:blueprint",
    "crm.desk.first_run:blueprint",
    "crm.desk.reports:blueprint",
    "crm.desk.people:blueprint",
    "crm.desk.people_views:blueprint",
    "crm.desk.people_bulk:blueprint",
    "crm.desk.people_filter:blueprint",
    "crm.desk.people_views:columns",
    "crm.desk.companies:blueprint",
    "crm.desk.company_views:blueprint",
    "crm.desk.company_views:columns",
    "crm.desk.contact_page:blueprint",
    "crm.desk.composer:blueprint",
    "crm.desk.company_page:blueprint",
    "crm.desk.stranger_page:blueprint",
    "crm.contacts.views:blueprint",
    "crm.interactions.views:blueprint",
    "crm.consent.views:blueprint",
    "crm.segments.views:blueprint",
    "crm.loyalty.views:blueprint",
    "crm.outreach.views:blueprint",
    "crm.outreach.hooks:blueprint",
    "crm.outreach.views.share:blueprint",
    "crm.campaigns.views:blueprint",
    "crm.deals.views:blueprint",
    "crm.desk.deal_page:blueprint",
    "crm.desk.deal_tasks:blueprint",
    "crm.lifecycle.views:blueprint",
    "crm.portal.views:blueprint",
    "crm.portal.views:one_click",
    "crm.enrichment.views:blueprint",
    "crm.outreach.sandbox_views:blueprint",
    "crm.desk.api_docs:blueprint",
    "crm.accounts.api:blueprint",
    "crm.contacts.api:blueprint",
    "crm.interactions.api:blueprint",
    "crm.consent.api:blueprint",
    "crm.segments.api:blueprint",
    "crm.loyalty.api:blueprint",
    "crm.campaigns.api:blueprint",
    "crm.outreach.api:blueprint",
    "crm.desk.views_api:blueprint",
    "crm.desk.bulk_api:blueprint",
    "crm.desk.search_api:blueprint",
    "crm.desk.today_api:blueprint",
    "crm.lifecycle.api:blueprint",
    "crm.enrichment.api:blueprint",
    "crm.deals.api:blueprint",
)
"""`module:attribute` of every blueprint, in the order of the navigation; pages first, then the API."""

#: Addresses that others post to: mail programs (RFC 8058), platforms, which sign what they send, and the share menu of
#: a phone, whose words are only shown.
WITHOUT_CSRF = frozenset({"one_click", "hooks", "share"})

csrf = CSRFProtect()


def folder(name: str) -> Path:
    """A data folder (`templates`, `migrations`, `translations`): beside the package, or inside an installed wheel."""
    beside = Path(__file__).parent.parent / name
    return beside if beside.is_dir() else Path(__file__).parent / f"_{name}"


def create_app(settings: Settings, *, database: Database | None = None, jobs: Jobs | None = None) -> Flask:
    """The application for `settings`; `database` and `jobs` replace what the settings' addresses lead to.

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
        # A text that is too long comes back with the reason, whole; werkzeug's own limit would throw it away.
        MAX_FORM_MEMORY_SIZE=min(settings.max_upload_mb, 8) * 1024 * 1024,
        WTF_CSRF_HEADERS=["X-CSRFToken"],
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.extensions["crm_settings"] = settings
    app.extensions["crm_jobs"] = jobs or JobQueue(settings.redis_url)
    logs.init(level=settings.log_level, as_json=settings.log_json)
    i18n.init_app(app, folder("translations"))
    headers.init_app(app, is_https=settings.is_https)
    sessions.init_app(app, database or _checked(settings))
    errors.init_app(app)
    csrf.init_app(app)
    formats.init_app(app)
    vite.init_app(app)
    navigation.init_app(app)
    inbox_person.init_app(app)
    security.init_app(app, settings)
    guards.init_app(app)
    characters.init_app(app)
    limits.init_app(app, settings)
    idempotency.init_app(app)
    for name in BLUEPRINTS:
        module, attribute = name.split(":")
        blueprint: Blueprint = getattr(import_module(module), attribute)
        app.register_blueprint(blueprint)
        if (blueprint.url_prefix or "").startswith(api.PREFIX) or blueprint.name in WITHOUT_CSRF:
            # Tokens need no CSRF protection; for browsers' sessions the guards ask for it.
            csrf.exempt(blueprint)
    return app


def _checked(settings: Settings) -> Database:
    database = Database(settings.database_url, handlers=wiring.handlers(), size=settings.worker_threads)
    with database.scope() as session:
        ensure_can_not_bypass(session)
    return database
