"""Owns languages: which one a request speaks, and the catalogues of each domain."""

from functools import lru_cache
from gettext import NullTranslations
from pathlib import Path
from typing import Any

from flask import Flask, g, has_request_context, request, session
from flask_babel import Babel, LazyString, get_locale, get_translations
from markupsafe import Markup

from crm.errors import Worded

LOCALES = ("en", "it")


def gettext(message: str, /, **values: Any) -> str:
    """`message` in the reader's language, with `values` filled in; without any a per cent sign stays one."""
    text = _catalogue().gettext(message)
    return text % values if values else text


def ngettext(one: str, many: str, num: int, /, **values: Any) -> str:
    """The form of a sentence that fits `num`, which it may hold as `%(num)s`."""
    return _catalogue().ngettext(one, many, num) % {"num": num, **values}


def pgettext(context: str, message: str, /, **values: Any) -> str:
    """`gettext` where `message` alone could mean several things: `context` tells what it is said of."""
    text = _catalogue().pgettext(context, message)
    return text % values if values else text


_ = gettext


def lazy(message: str, /, **values: Any) -> Any:
    """`message`, translated each time it is read: for labels that exist before anybody asks."""
    # It stands wherever a label is wanted; WTForms' own annotations know only `str`.
    return LazyString(gettext, message, **values)


def lazy_n(one: str, many: str, num: int, /, **values: Any) -> Any:
    """`ngettext`, translated each time it is read."""
    return LazyString(ngettext, one, many, num, **values)


def lazy_p(context: str, message: str, /, **values: Any) -> Any:
    """`pgettext`, translated each time it is read."""
    return LazyString(pgettext, context, message, **values)


def init_app(app: Flask, folder: Path) -> None:
    """Set up Flask-Babel with one catalogue folder per domain."""
    app.config["BABEL_DEFAULT_LOCALE"] = "en"
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = ";".join(
        str(path) for path in sorted(folder.glob("*")) if path.is_dir()
    )
    Babel(app, configure_jinja=False, locale_selector=choose_locale, timezone_selector=choose_time_zone)
    app.jinja_env.globals.update(_=_marked, gettext=_marked, ngettext=_marked_n, pgettext=_marked_p)


def _catalogue() -> NullTranslations:
    """The texts of the reader's language, found once a request: a page asks for hundreds."""
    try:
        return g.catalogue
    except AttributeError:
        g.catalogue = get_translations()
        return g.catalogue
    except RuntimeError:
        # Outside of the application nobody has chosen a language.
        return NullTranslations()


def _marked(message: str, /, **values: Any) -> Markup:
    """`gettext` for templates: what it says is mark-up, the values in it are not; a per cent sign is written twice."""
    text = _marked_text(_catalogue(), message)
    return text % values if values or "%" in text else text


@lru_cache(maxsize=4096)
def _marked_text(catalogue: NullTranslations, message: str) -> Markup:
    return Markup(catalogue.gettext(message))  # noqa: S704 - our own words.


def _marked_n(one: str, many: str, num: int, /, **values: Any) -> Markup:
    """`ngettext` for templates."""
    return Markup(_catalogue().ngettext(one, many, num)) % {"num": num, **values}  # noqa: S704 - our own words.


def _marked_p(context: str, message: str, /, **values: Any) -> Markup:
    """`pgettext` for templates."""
    text = Markup(_catalogue().pgettext(context, message))  # noqa: S704 - our own words.
    return text % values if values or "%" in text else text


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


__all__ = [
    "LOCALES",
    "_",
    "choose_locale",
    "gettext",
    "init_app",
    "lazy",
    "lazy_n",
    "lazy_p",
    "locale_code",
    "ngettext",
    "pgettext",
    "translated",
]
