"""Owns which characters a request may carry: what the database can't keep is refused before any view reads it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from flask import Flask, request

from crm.errors import InvalidInputError, worded

#: PostgreSQL keeps no NUL in a text, and half a surrogate pair is no character at all.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
#: What copying from a terminal or a PDF leaves behind; tabs and all kinds of line ends are text.
_INVISIBLE: Final = re.compile("[\x01-\x08\x0e-\x1f\x7f]")
_SENTENCE: Final = worded("There is a character that cannot be stored (NUL or half a symbol). Remove it and try again.")


class BadCharacterError(InvalidInputError):
    """Some text holds a character that can't be stored; `fields` names where."""

    code = "bad_character"

    def __init__(self, places: Iterable[str] = ()) -> None:
        super().__init__(_SENTENCE, fields=dict.fromkeys(places, _SENTENCE))


def init_app(app: Flask) -> None:
    """Look at every request behind the door, so that the refusal is written in the reader's language."""
    app.before_request(_check)


def _check() -> None:
    if _UNSTORABLE.search(request.path):
        raise BadCharacterError
    given: list[tuple[str, str]] = [*request.args.items(multi=True), *request.form.items(multi=True)]
    given += [(name, file.filename or "") for name, file in request.files.items(multi=True)]
    if places := [name for name, text in given if _UNSTORABLE.search(name) or _UNSTORABLE.search(text)]:
        raise BadCharacterError(_UNSTORABLE.sub("", name) for name in places)


def refuse_unstorable(data: Any) -> None:
    """Raise `BadCharacterError` when decoded JSON holds such a character anywhere; fields are dotted paths."""
    if places := list(_places(data, ())):
        raise BadCharacterError(places)


def _places(data: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(data, str):
        if _UNSTORABLE.search(data):
            yield ".".join(path) or "body"
    elif isinstance(data, Mapping):
        for key, value in data.items():
            name = _UNSTORABLE.sub("", str(key))
            if name != key:
                yield ".".join((*path, name))
            yield from _places(value, (*path, name))
    elif isinstance(data, Sequence) and not isinstance(data, bytes):
        for index, value in enumerate(data):
            yield from _places(value, (*path, str(index)))


def visible(text: str) -> str:
    """`text` without control characters that nobody can see or type."""
    return _INVISIBLE.sub("", text)
