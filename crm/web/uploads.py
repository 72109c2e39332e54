"""Owns what is said about a body beyond the limit, and that the sender gets to read it."""

from typing import Final

from flask import current_app, request

from crm.web.i18n import _

MIB: Final = 1024 * 1024
#: A browser reads no answer while it still sends; beyond this many bytes it has to live with a closed connection.
PATIENCE: Final = 256 * MIB


def refuse_large() -> str:
    """Throw away what still comes in, unkept, and return the sentence for the person who sent it."""
    left, source = min(request.content_length or 0, PATIENCE), request.environ["wsgi.input"]
    while left > 0 and (chunk := source.read(min(left, MIB))):
        left -= len(chunk)
    limit = (current_app.config["MAX_CONTENT_LENGTH"] or 0) // MIB
    return _("This is larger than %(limit)s MB. Split it into smaller parts, and send them one by one.", limit=limit)
