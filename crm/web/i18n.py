"""Owns languages: which one a request speaks, and the catalogues of each domain."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, g, has_request_context, request, session
from flask_babel import Babel, get_locale, gettext, lazy_gettext, ngettext
from flask_babel import lazy_ngettext as lazy_n

from crm.errors import Worded

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
    if request.path.startswith("/api/"):
        # Programs say in each call what they read; whose token it is says nothing about their language.
        return request.accept_languages.best_match(LOCALES) or "en"
    chosen = g.get("locale") or session.get("locale")
    if chosen in LOCALES:
        return chosen
    return request.accept_languages.best_match(LOCALES) or "en"


def translated(sentence: str) -> str:
    """A sentence that a service marked with `errors.worded`, in the request's language."""
    if not sentence or not has_request_context():
        return sentence
    if isinstance(sentence, Worded):
        values = {
            name: translated(value) if isinstance(value, str) else value for name, value in sentence.values.items()
        }
        return gettext(sentence.sentence, **values)
    # Without values gettext fills nothing in, so that a per cent sign stays one.
    return gettext(sentence)


def choose_time_zone() -> str:
    """The zone in which times are shown: the actor's."""
    return (g.get("time_zone") if has_request_context() else None) or "Europe/Rome"


def locale_code() -> str:
    """The two-letter code of the request's language."""
    locale = get_locale()
    return locale.language if locale else "en"


__all__ = ["LOCALES", "_", "choose_locale", "init_app", "lazy", "lazy_n", "locale_code", "ngettext", "translated"]
