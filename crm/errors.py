"""Owns the error types that every domain's own errors derive from, and what each means to a caller."""

from collections.abc import Mapping
from uuid import UUID


class Worded(str):
    """A sentence with its values filled in, in English; it keeps both apart, so that the edge can translate it."""

    __slots__ = ("sentence", "values")
    sentence: str
    values: Mapping[str, object]


def worded(sentence: str, **values: object) -> str:
    """Mark `sentence` for the catalogues and hand it on; the edge translates it, so that services know no language.

    With `values` it holds `%(name)s` for each of them.
    """
    if not values:
        return sentence
    filled = Worded(sentence % values)
    filled.sentence, filled.values = sentence, values
    return filled


class AppError(Exception):
    """A refusal with a machine `code`, a sentence for people, and messages per field.

    `status` is the HTTP status an edge answers with; `fields` maps an input's name to its message.
    """

    status = 400
    code = "bad_request"

    def __init__(self, message: str = "", *, code: str | None = None, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.fields: dict[str, str] = dict(fields or {})


class InvalidInputError(AppError):
    """Some input is wrong; nothing was changed."""

    status = 422
    code = "invalid"


class NotFoundError(AppError):
    """No such thing for this actor; another workspace's id looks exactly like this."""

    status = 404
    code = "not_found"


class MovedError(NotFoundError):
    """The thing went up in another one: whoever asked for `old_id` is led to `new_id`."""

    code = "moved"

    def __init__(self, message: str = "", *, old_id: UUID, new_id: UUID) -> None:
        super().__init__(message)
        self.old_id, self.new_id = old_id, new_id


class ForbiddenError(AppError):
    """The actor is known and may not do this."""

    status = 403
    code = "forbidden"


class ConflictError(AppError):
    """The thing changed meanwhile, or its state does not allow this."""

    status = 409
    code = "conflict"


class TooManyError(AppError):
    """A rate limit was reached."""

    status = 429
    code = "too_many"
