"""Owns languages: which one a request speaks, and the catalogues of each domain."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, g, has_request_context, request, session
from flask_babel import Babel, get_locale, gettext, lazy_gettext, ngettext
from flask_babel import lazy_ngettext as lazy_n

LOCALES = ("en", "it")

_ = gettext
# A lazy string stands wherever a label is wanted; WTForms' own annotations know only `str`.
lazy: Callable[..., Any] = lazy_gettext


def init_app(app: Flask, folder: Path) -> None:
    """Set up Flask-Babel with one catalogue folder per domain."""
    app.config["BABEL_DEFAULT_LOCALE"] = "en"
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = ";".join(
        str(path) for path in sorted(folder.glob("*")) if path.is_dir()
    )
    Babel(app, locale_selector=choose_locale, timezone_selector=choose_time_zone)
    app.jinja_env.add_extension("jinja2.ext.i18n")


def choose_locale() -> str:
    """The user's choice, else the visitor's cookie, else what the browser asks for; English as the last resort."""
    if not has_request_context():
        return "en"
    chosen = g.get("locale") or session.get("locale")
    if chosen in LOCALES:
        return chosen
    return request.accept_languages.best_match(LOCALES) or "en"


def translated(sentence: str) -> str:
    """A sentence that a service marked with `errors.worded`, in the request's language."""
    return gettext(sentence) if sentence and has_request_context() else sentence


def choose_time_zone() -> str:
    """The zone in which times are shown: the actor's."""
    return (g.get("time_zone") if has_request_context() else None) or "Europe/Rome"


def locale_code() -> str:
    """The two-letter code of the request's language."""
    locale = get_locale()
    return locale.language if locale else "en"


__all__ = ["LOCALES", "_", "choose_locale", "init_app", "lazy", "lazy_n", "locale_code", "ngettext", "translated"]
