"""The blueprint of the loyalty API and what its modules share."""

from typing import TypeVar

from flask import request
from pydantic import BaseModel

from crm.db import new_id
from crm.web.api import api_blueprint

M = TypeVar("M", bound=BaseModel)

blueprint = api_blueprint("loyalty", "/loyalty")


def ledger_key() -> str:
    """The caller's Idempotency-Key as a key of the ledger, unique for ever; a fresh one without the header."""
    given = request.headers.get("Idempotency-Key", "").strip()
    return f"api:{request.endpoint}:{given}" if given else f"api:{new_id()}"


def picked(model: type[M], row: object) -> M:
    """The attributes of `row` that `model` shows."""
    return model.model_validate({name: getattr(row, name) for name in model.model_fields})
