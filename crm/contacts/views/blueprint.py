"""The blueprint of the pages of people and companies."""

from flask import Blueprint, request

from crm.accounts import places
from crm.contacts import words

blueprint = Blueprint("contacts", "crm.contacts")
places.tell(blueprint, words.TOLD)


def is_partial() -> bool:
    """True when htmx asks for a part of the page and not for the page."""
    return "HX-Request" in request.headers
