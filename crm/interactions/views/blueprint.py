"""The blueprint of the pages of the timeline and of tasks, and the way back from them."""

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from crm.accounts.signin import local_or

blueprint = Blueprint("interactions", "crm.interactions")


def back_or(default: str) -> Response:
    """Back to the page that the form names, or to `default`."""
    return redirect(local_or(request.form.get("back"), default), 303)
