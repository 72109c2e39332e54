"""Owns rate limits: how often one actor, or one stranger's address, may call the API and the costly pages."""

from flask import Flask, g, request
from flask_limiter import Limiter

from crm.accounts.rules import Actor
from crm.settings import Settings
from crm.web.api import PREFIX

API_LIMIT = "1200 per minute"
"""Twenty a second on average: an import through the API in small steps still passes."""


def whose() -> str:
    """The token or user who asks, else the address the request came from."""
    actor: Actor | None = g.get("actor")
    if actor is None:
        return f"address:{request.remote_addr}"
    return f"token:{actor.token_id}" if actor.token_id else f"user:{actor.user_id}"


def _is_page() -> bool:
    return not request.path.startswith(f"{PREFIX}/")


limiter = Limiter(
    whose,
    default_limits=[API_LIMIT],
    default_limits_exempt_when=_is_page,
    headers_enabled=True,
    # When Valkey is away each process counts for itself, rather than refusing everybody or nobody.
    in_memory_fallback_enabled=True,
    swallow_errors=True,
    key_prefix="crm",
)
"""Views that cost much, or that strangers reach, add `@limiter.limit("10 per minute")`."""


def init_app(app: Flask, settings: Settings) -> None:
    """Count in Valkey when there is one, so that all processes share the numbers; else in this process."""
    app.config["RATELIMIT_STORAGE_URI"] = storage_address(settings.redis_url)
    limiter.init_app(app)


def storage_address(redis_url: str) -> str:
    """The address as the `limits` library writes it: sockets are `redis+unix://`."""
    if not redis_url:
        return "memory://"
    return redis_url.replace("unix://", "redis+unix://", 1) if redis_url.startswith("unix://") else redis_url
