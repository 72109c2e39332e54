"""Sets Flask-Security up: sign-in, second factor and recovery codes over our own users, sessions and counters."""

import base64
import time
from collections.abc import Callable
from typing import Any

import segno
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseValue
from flask_login import user_logged_out
from flask_security import Security, tf_code_confirmed, tf_disabled, tf_profile_changed, user_authenticated
from flask_security.core import RoleMixin, UserMixin
from flask_security.datastore import UserDatastore
from flask_security.totp import Totp
from flask_security.utils import login_user, set_request_attr
from passlib.totp import TotpMatch
from sqlalchemy import select

from crm.accounts import queries, signin
from crm.accounts.credentials import Passwords
from crm.accounts.models import User
from crm.accounts.rules import BROWSER_IDLE
from crm.accounts.services import browsers
from crm.settings import Settings
from crm.web.sessions import current_session, request_now

KEY = "key"
"""Name in the cookie of the secret that names the signed-in browser's row."""

SIGN_IN_ENDPOINTS = frozenset(
    {
        "security.login",
        "security.logout",
        "security.two_factor_setup",
        "security.two_factor_token_validation",
        "security.mf_recovery",
    }
)
"""Open without a sign-in, because they are the sign-in; each checks its own state."""

MEMBER_ENDPOINTS = frozenset({"security.verify", "security.two_factor_setup_validate", "security.mf_recovery_codes"})
"""Open to anybody who is signed in; every other route of Flask-Security answers 404."""


class _Column:
    """Hands an attribute on to the user's row."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: "SignIn | None", _owner: type) -> Any:
        return self if instance is None else getattr(instance.row, self.name)

    def __set__(self, instance: "SignIn", value: Any) -> None:
        setattr(instance.row, self.name, value)


class SignIn(UserMixin):
    """A user as Flask-Security wants to see one, around our row, so that the tables know nothing of Flask."""

    id = _Column()  # pyright: ignore[reportAssignmentType]
    email = _Column()  # pyright: ignore[reportAssignmentType]
    password = _Column()  # pyright: ignore[reportAssignmentType]
    active = _Column()  # pyright: ignore[reportAssignmentType]
    fs_uniquifier = _Column()  # pyright: ignore[reportAssignmentType]
    tf_primary_method = _Column()  # pyright: ignore[reportAssignmentType]
    tf_totp_secret = _Column()  # pyright: ignore[reportAssignmentType]
    mf_recovery_codes = _Column()  # pyright: ignore[reportAssignmentType]
    roles = []  # pyright: ignore[reportAssignmentType] - our rights are per workspace, see rules.RIGHTS.

    def __init__(self, row: User) -> None:
        self.row = row

    def check_tf_required(
        self,
        tf_setup_methods: list[tuple[str, str]],
        tf_fresh: bool,  # noqa: ARG002 - Flask-Security's signature.
    ) -> tuple[bool, list[tuple[str, str]]]:
        """Ask for the second factor when one is set up or a workspace of the user demands it."""
        # From here on the cookie says that the password was right; it must not say so for ever.
        session["tf_at"] = time.time()
        return bool(tf_setup_methods) or self.check_tf_required_setup(), tf_setup_methods

    def check_tf_required_setup(self) -> bool:
        """True when a workspace of the user demands a second factor, so that it can't be switched off."""
        return any(row.require_second_factor for row in queries.workspaces_of(current_session(), user_id=self.row.id))


class NoRole(RoleMixin):
    """Flask-Security wants a role class; rights stand in `rules.RIGHTS`."""


class Datastore(UserDatastore):
    """Finds and keeps users in the request's session; the response commits, so `commit` only flushes."""

    def __init__(self) -> None:
        super().__init__(SignIn, NoRole)

    def find_user(self, case_insensitive: bool = False, **kwargs: Any) -> SignIn | None:  # noqa: ARG002, FBT002
        """The user with this address or uniquifier."""
        name, value = kwargs.popitem()
        column = {"email": User.email_norm, "fs_uniquifier": User.fs_uniquifier}[name]
        compared = str(value).strip().lower() if name == "email" else value
        row = current_session().scalar(select(User).where(column == compared))
        return SignIn(row) if row else None

    def find_role(self, role: str) -> None:  # noqa: ARG002 - Flask-Security's signature.
        return None

    def put(self, model: SignIn) -> SignIn:  # pyright: ignore[reportIncompatibleMethodOverride]
        current_session().add(model.row)
        return model

    def delete(self, model: SignIn) -> None:
        current_session().delete(model.row)

    def commit(self) -> None:
        current_session().flush()


class Codes(Totp):
    """Time-based codes that count once, and their QR code as an SVG."""

    def get_last_counter(self, user: UserMixin) -> int | None:
        return _row(user).tf_last_counter

    def set_last_counter(self, user: UserMixin, tmatch: TotpMatch) -> None:
        _row(user).tf_last_counter = tmatch.counter

    def generate_qrcode(self, username: str, totp: str) -> str:
        """A data address of the QR code, black on white also in dark mode."""
        return segno.make(self.get_totp_uri(username, totp), error="m").svg_data_uri(scale=5, border=2)


class HouseSecurity(Security):
    """Flask-Security without its demand for `qrcode`: segno draws the code."""

    def _check_modules(self, module: str, config_name: str) -> Any:
        return True if module == "qrcode" else super()._check_modules(module, config_name)


def init_app(app: Flask, settings: Settings) -> None:
    """Set Flask-Security up; CSRF protection must be there already."""
    secret = settings.secret("secret_key")
    app.extensions["crm_passwords"] = Passwords(settings.password_hash_cost)
    app.config.update(
        PERMANENT_SESSION_LIFETIME=BROWSER_IDLE,
        SECURITY_LOGIN_URL="/sign-in",
        SECURITY_LOGOUT_URL="/sign-out",
        SECURITY_POST_LOGOUT_VIEW="/sign-in",
        SECURITY_VERIFY_URL="/confirm-password",
        SECURITY_TWO_FACTOR_SETUP_URL="/second-factor/set-up",
        SECURITY_TWO_FACTOR_TOKEN_VALIDATION_URL="/second-factor",
        SECURITY_TWO_FACTOR_RESCUE_URL="/second-factor/rescue",
        SECURITY_TWO_FACTOR_SELECT_URL="/second-factor/select",
        SECURITY_MULTI_FACTOR_RECOVERY_URL="/recovery",
        SECURITY_MULTI_FACTOR_RECOVERY_CODES_URL="/settings/recovery-codes",
        SECURITY_TWO_FACTOR_POST_SETUP_VIEW="accounts.access",
        SECURITY_STATIC_FOLDER=None,
        SECURITY_CACHE_CONTROL=None,
        SECURITY_CLI_USERS_NAME=None,
        SECURITY_CLI_ROLES_NAME=None,
        SECURITY_PASSWORD_SALT=_derived(secret, "password salt"),
        SECURITY_RETURN_GENERIC_RESPONSES=True,
        SECURITY_API_ENABLED_METHODS=["session"],
        SECURITY_JOIN_USER_ROLES=False,
        SECURITY_DEFAULT_REMEMBER_ME=False,
        SECURITY_TWO_FACTOR=True,
        SECURITY_TWO_FACTOR_ENABLED_METHODS=["authenticator"],
        SECURITY_TWO_FACTOR_ALWAYS_VALIDATE=True,
        SECURITY_TWO_FACTOR_RESCUE_EMAIL=False,
        # One step either way: clocks of phones differ by seconds, not minutes.
        SECURITY_TWO_FACTOR_AUTHENTICATOR_VALIDITY=30,
        SECURITY_TOTP_SECRETS={"1": _derived(secret, "totp secrets")},
        SECURITY_TOTP_ISSUER="Filodiretto",
        SECURITY_MULTI_FACTOR_RECOVERY_CODES=True,
        SECURITY_MULTI_FACTOR_RECOVERY_CODES_N=8,
        SECURITY_MULTI_FACTOR_RECOVERY_CODES_KEYS=[_derived(secret, "recovery codes")],
        SECURITY_FRESHNESS=signin.FRESH,
        SECURITY_FRESHNESS_GRACE_PERIOD=signin.FRESH_GRACE,
        SECURITY_CSRF_HEADER="X-CSRFToken",
    )
    security = HouseSecurity(
        app,
        Datastore(),
        totp_cls=Codes,
        login_form=signin.SignInForm,
        verify_form=signin.ConfirmPasswordForm,
        two_factor_verify_code_form=signin.CodeForm,
        mf_recovery_form=signin.RecoveryForm,
    )
    security.want_json(lambda _request: False)
    security.unauthn_handler(_unauthenticated)
    app.login_manager.user_loader(_load)  # pyright: ignore[reportAttributeAccessIssue]
    # Flask-Security would also read tokens of its own from a header or the address; ours are the API tokens alone.
    app.login_manager._request_callback = None  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue]
    user_authenticated.connect(_signed_in, app)
    user_logged_out.connect(_signed_out, app)
    tf_profile_changed.connect(_second_factor_on, app)
    tf_code_confirmed.connect(_second_factor_on_at_sign_in, app)
    tf_disabled.connect(_second_factor_off, app)


def passwords() -> Passwords:
    """Makes and checks password hashes at the configured cost."""
    return current_app.extensions["crm_passwords"]


def sign_in(user: User) -> None:
    """Sign this browser in as `user`, after everything that had to be proved was proved."""
    login_user(SignIn(user), authn_via=["password"])


def signed_in_user() -> User | None:
    """The user of this browser, if it is signed in; one query a request."""
    if "signed_in" not in g:
        uniquifier, secret = session.get("_user_id"), session.get(KEY)
        g.signed_in = (
            browsers.holder(current_session(), secret=str(secret), uniquifier=str(uniquifier), now=request_now())
            if uniquifier and secret
            else None
        )
    return g.signed_in


def forget_signed_in() -> None:
    """Read the user anew: the password or the browser's row just changed."""
    g.pop("signed_in", None)


def _load(_uniquifier: str) -> SignIn | None:
    user = signed_in_user()
    if user is None:
        return None
    set_request_attr("fs_authn_via", "session")
    set_request_attr("fs_paa", session.get("fs_paa", 0))
    return SignIn(user)


def _signed_in(_app: Flask, user: SignIn, **_extra: Any) -> None:
    """Give the browser a row and a fresh cookie: nothing that a stranger could have planted before stays in it."""
    old = session.pop(KEY, None)
    if old:
        browsers.end(current_session(), secret=str(old), now=request_now())
    kept = {"_user_id", "_fresh", "_id", "fs_cc", "fs_paa", "identity.id", "identity.auth_type", "_flashes"}
    for name in [name for name in session if name not in kept]:
        session.pop(name)
    g.pop("csrf_token", None)
    session.permanent = True
    session[KEY] = browsers.start(
        current_session(),
        user_id=user.row.id,
        ip=request.remote_addr or "",
        agent=request.user_agent.string,
        now=request_now(),
    )
    forget_signed_in()


def _signed_out(_app: Flask, **_extra: Any) -> None:
    secret = session.get(KEY)
    if secret:
        browsers.end(current_session(), secret=str(secret), now=request_now())
    session.clear()
    forget_signed_in()


def _second_factor_on(_app: Flask, user: UserMixin, **_extra: Any) -> None:
    signin.remember_after_answer(_row(user), "user.second_factor_on")


def _second_factor_on_at_sign_in(_app: Flask, user: UserMixin, **_extra: Any) -> None:
    if session.get("tf_state") == "validating_profile":
        _second_factor_on(_app, user)


def _second_factor_off(_app: Flask, user: UserMixin, **_extra: Any) -> None:
    signin.remember_after_answer(_row(user), "user.second_factor_off")


def _unauthenticated(_mechanisms: list[str], _headers: dict[str, str] | None) -> ResponseValue:
    return redirect(url_for("security.login"))


def _row(user: UserMixin) -> User:
    if isinstance(user, SignIn):
        return user.row
    # Behind `current_user` stands a proxy.
    inner: Callable[[], SignIn] = user._get_current_object  # type: ignore[attr-defined]  # noqa: SLF001
    return inner().row


def _derived(secret: str, purpose: str) -> str:
    """A key of its own for each purpose, made from the installation's secret (RFC 5869)."""
    material = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"filodiretto {purpose}".encode())
    return base64.urlsafe_b64encode(material.derive(secret.encode())).decode()
