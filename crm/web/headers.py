"""Owns the security headers of every response, the nonce, and the request id."""

import secrets

from flask import Flask, Response, g, request
from uuid_utils.compat import uuid7

POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; frame-src 'self'; manifest-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


def init_app(app: Flask, *, is_https: bool) -> None:
    """Set the headers on every response; views that frame inbound mail may narrow the policy further."""

    @app.before_request
    def _mark() -> None:
        g.csp_nonce = secrets.token_urlsafe(16)
        g.request_id = str(uuid7())

    @app.after_request
    def _protect(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", POLICY.format(nonce=g.get("csp_nonce", "")))
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=()"
        headers["X-Request-Id"] = g.get("request_id", "")
        if is_https:
            headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        if request.endpoint != "static":
            headers.setdefault("Cache-Control", "no-store")
        return response

    @app.context_processor
    def _nonce() -> dict[str, str]:
        return {"csp_nonce": g.get("csp_nonce", "")}
