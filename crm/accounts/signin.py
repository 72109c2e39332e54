"""Owns the forms of sign-in: each counts its tries before it looks, whatever session they come from."""

import time
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import Response, after_this_request, current_app, request, session
from flask_security.forms import LoginForm, TwoFactorVerifyCodeForm, VerifyForm
from flask_security.recovery_codes import MfRecoveryForm
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, StringField, SubmitField
from wtforms.validators import InputRequired, Length

from crm.accounts import queries
from crm.accounts.credentials import Passwords, digest
from crm.accounts.kinds import ActorKind
from crm.accounts.models import User
from crm.accounts.rules import SECOND_FACTOR, SIGN_IN_PER_ACCOUNT, SIGN_IN_PER_ADDRESS, Actor, Limit
from crm.accounts.services import audit, throttle
from crm.accounts.services.throttle import BlockedError
from crm.accounts.services.users import normal_address
from crm.db import aside
from crm.errors import InvalidInputError
from crm.web.i18n import _, lazy, ngettext
from crm.web.sessions import current_database, current_session, request_now

log = structlog.get_logger(__name__)

FRESH = timedelta(minutes=15)
FRESH_GRACE = timedelta(minutes=15)
SECOND_FACTOR_SECONDS = 600


class SignInForm(LoginForm):
    """Address and password; unknown, wrong and switched-off accounts get one answer at one pace."""

    remember = None  # pyright: ignore[reportAssignmentType] - a signed-in browser stays so for two idle weeks.
    email = EmailField(
        lazy("E-mail"),
        validators=[InputRequired(), Length(max=320)],
        render_kw={"autocomplete": "username", "autofocus": True},
    )
    password = PasswordField(
        lazy("Password"),
        validators=[InputRequired(), Length(max=1000)],
        render_kw={"autocomplete": "current-password"},
    )
    submit = SubmitField(lazy("Sign in"))

    def validate(self, **kwargs: Any) -> bool:
        """Find the user whose password this is; counts the try first."""
        if not FlaskForm.validate(self, **kwargs):
            return False
        address = compared_address(str(self.email.data))
        account = f"sign-in:{digest(address)}"
        refusal = counted((account, SIGN_IN_PER_ACCOUNT), (f"sign-in-from:{request.remote_addr}", SIGN_IN_PER_ADDRESS))
        if refusal:
            self.form_errors.append(refusal)
            return False
        datastore = current_app.extensions["security"].datastore
        user = datastore.find_user(email=address)
        if not _is_right(str(self.password.data), user.row if user else None):
            self.form_errors.append(_("The e-mail address or the password is not right."))
            log.info("sign_in_refused", account=account)
            if user is not None:
                remember_after_answer(user.row, "sign_in.refused")
            return False
        uncount(account)
        self.user = user
        self.ifield = self.email
        self.user_authenticated = True
        remember_after_answer(user.row, "sign_in.password_accepted")
        return True


class ConfirmPasswordForm(VerifyForm):
    """The password once more, before something that matters; counts with the tries of the sign-in."""

    password = PasswordField(
        lazy("Password"),
        validators=[InputRequired(), Length(max=1000)],
        render_kw={"autocomplete": "current-password", "autofocus": True},
    )
    submit = SubmitField(lazy("Continue"))

    def validate(self, **kwargs: Any) -> bool:
        """Check the password of the signed-in user; counts the try first."""
        if not FlaskForm.validate(self, **kwargs):
            return False
        user: User = self.user.row  # type: ignore[attr-defined]
        refusal = wrong_password(user, str(self.password.data))
        if refusal:
            self.password.errors = [refusal]
        return refusal is None


class CodeForm(TwoFactorVerifyCodeForm):
    """The six digits of the authenticator; a code counts once, and a cookie can't bring a secret of its own."""

    code = StringField(
        lazy("Code from your app"),
        validators=[InputRequired(), Length(max=12)],
        filters=[lambda value: value.replace(" ", "") if value else value],
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True},
    )
    submit = SubmitField(lazy("Continue"), id="submit-code")

    def validate(self, **kwargs: Any) -> bool:
        """Check the code against the secret; counts the try first when this is a sign-in."""
        if not FlaskForm.validate(self, **kwargs):
            return False
        user: User = self.user.row  # type: ignore[union-attr]
        if not self.is_setup:
            refusal = _stale_sign_in(user) or counted((f"code:{user.id}", SECOND_FACTOR))
            if refusal:
                self.form_errors.append(refusal)
                return False
        # Two requests with one code wait for each other, and the second meets the counter of the first.
        current_session().refresh(user, with_for_update=True)
        if not super().validate(**kwargs):
            return False
        if not self.is_setup:
            uncount(f"code:{user.id}")
        return True


class RecoveryForm(MfRecoveryForm):
    """One of the codes that were written down; each works once."""

    code = StringField(
        lazy("Recovery code"),
        validators=[InputRequired(), Length(max=40)],
        filters=[lambda value: value.strip().lower() if value else value],
        render_kw={"autocomplete": "off", "autofocus": True},
    )
    submit = SubmitField(lazy("Sign in"))

    def validate(self, **kwargs: Any) -> bool:
        """Check the code; counts the try first."""
        if not FlaskForm.validate(self, **kwargs):
            return False
        user: User = self.user.row  # type: ignore[union-attr]
        refusal = _stale_sign_in(user) or counted((f"code:{user.id}", SECOND_FACTOR))
        if refusal:
            self.form_errors.append(refusal)
            return False
        current_session().refresh(user, with_for_update=True)
        if not super().validate(**kwargs):
            return False
        uncount(f"code:{user.id}")
        return True


def is_local(address: str) -> bool:
    """True for a path on this installation: one slash, no second one, nothing a browser reads as a host."""
    return (
        address.startswith("/")
        and not address.startswith("//")
        and "\\" not in address
        and not any(ord(sign) < 32 for sign in address)  # noqa: PLR2004 - control characters end below the space.
    )


def local_or(address: str | None, default: str) -> str:
    """`address` when it is one of ours, else `default`."""
    return address if address and is_local(address) else default


def compared_address(text: str) -> str:
    """The address as it is stored for comparison, also for what is no address: counters need one name for it."""
    try:
        return normal_address(text)[1]
    except InvalidInputError:
        return text.strip().lower()


def counted(*keys: tuple[str, Limit]) -> str | None:
    """Count a try at each key in a transaction of its own; the sentence to show when one of them is blocked."""
    try:
        with aside(current_session()) as other:
            for key, limit in keys:
                throttle.take(other, key=key, limit=limit, now=request_now())
    except BlockedError as blocked:
        return _wait_sentence(blocked.until, request_now())
    return None


def uncount(key: str) -> None:
    """Forget the tries at `key`: the right secret was given."""
    with aside(current_session()) as other:
        throttle.clear(other, key=key)


def wrong_password(user: User, plain: str) -> str | None:
    """Why the signed-in user's password is not accepted, or None; counts with the tries of the sign-in."""
    account = f"sign-in:{digest(user.email_norm)}"
    refusal = counted((account, SIGN_IN_PER_ACCOUNT))
    if refusal:
        return refusal
    if not _is_right(plain, user):
        return _("This is not your password.")
    uncount(account)
    return None


def remember_after_answer(user: User, action: str) -> None:
    """Write an audit entry once the answer has left, so that a known address does not answer more slowly."""
    database, user_id, wanted = current_database(), user.id, user.last_workspace_id
    origin = current_session().info.get("origin")

    def write() -> None:
        with database.scope() as own:
            spaces = queries.workspaces_of(own, user_id=user_id)
        if not spaces:
            return
        chosen = next((space.id for space in spaces if space.id == wanted), spaces[0].id)
        with database.scope(chosen) as own:
            own.info["origin"] = origin
            actor = Actor(workspace_id=chosen, kind=ActorKind.USER, user_id=user_id)
            audit.record(own, actor, action=action, object_kind="user", object_id=user_id)

    @after_this_request
    def _later(response: Response) -> Response:
        response.call_on_close(write)
        return response


def _is_right(plain: str, user: User | None) -> bool:
    passwords: Passwords = current_app.extensions["crm_passwords"]
    usable = user if user is not None and user.active else None
    if not passwords.matches(plain, usable.password if usable else None) or usable is None:
        return False
    renewed = passwords.renewed(plain, str(usable.password))
    if renewed:
        usable.password = renewed
    return True


def _stale_sign_in(user: User) -> str | None:
    """Refuse an old cookie of a half-finished sign-in, or one that brings its own secret past a set-up factor."""
    began = session.get("tf_at")
    too_old = not isinstance(began, float) or time.time() - began > SECOND_FACTOR_SECONDS
    own_secret = session.get("tf_state") == "validating_profile" and bool(user.tf_primary_method)
    if too_old or own_secret:
        return _("This sign-in took too long. Begin again.")
    return None


def _wait_sentence(until: datetime, now: datetime) -> str:
    minutes = max(1, -(-int((until - now).total_seconds()) // 60))
    return ngettext(
        "Too many tries. Wait %(num)s minute and try again.",
        "Too many tries. Wait %(num)s minutes and try again.",
        minutes,
    )
