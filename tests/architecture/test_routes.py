"""What the map of addresses must keep, whatever is added to it."""

import pytest
from werkzeug.routing import Rule

from crm.accounts import guards
from crm.accounts.kinds import ActorKind, Permission, Role
from crm.accounts.rules import RIGHTS, Actor
from crm.accounts.security import MEMBER_ENDPOINTS, SIGN_IN_ENDPOINTS

# Every address that answers a stranger, by name: whoever adds one says so here.
PUBLIC = {
    "accounts.forgot",
    "accounts.healthz",
    "accounts.invitation",
    "accounts.metrics",
    "accounts.preferences",
    "accounts.readyz",
    "accounts.reset_password",
    "accounts.setup",
    "api_docs.openapi",
    "assets.file",
    "hooks.challenge",
    "hooks.deliver",
    "loyalty.offer_page",
    "one_click.ask",
    "one_click.stop",
    "portal.preferences",
    "portal.save",
    "security.login",
    "security.logout",
    "security.mf_recovery",
    "security.two_factor_setup",
    "security.two_factor_token_validation",
    "share.manifest",
    "static",
}
# Views that take a form and show it again at the same address; reading them changes nothing.
READ_AND_WRITE = {
    "accounts.forgot",
    "accounts.invitation",
    "accounts.profile",
    "accounts.reset_password",
    "accounts.setup",
}
SAFE = {"GET", "HEAD", "OPTIONS"}


def rules(app) -> list[Rule]:
    return sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)


def is_public(app, endpoint: str) -> bool:
    view = app.view_functions[endpoint]
    return endpoint in guards.PUBLIC or getattr(view, "is_public", False)


def test_the_public_addresses_are_exactly_those_that_are_named_here(app):
    assert {rule.endpoint for rule in rules(app) if is_public(app, rule.endpoint)} == PUBLIC


def filled(rule: Rule) -> str:
    """The rule's address with something plausible in each of its places."""
    samples = {"UUIDConverter": "01900000-0000-7000-8000-000000000000"}
    values = {
        name: next(iter(getattr(converter, "items", ())), None) or samples.get(type(converter).__name__, "x")
        for name, converter in rule._converters.items()
    }
    built = rule.build(values)
    assert built is not None, rule.rule
    return built[1]


def test_everything_else_sends_a_stranger_to_the_sign_in_page(app, anonymous):
    open_doors = []
    for rule in rules(app):
        if rule.endpoint in PUBLIC:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            answer = anonymous.open(filled(rule), method=method)
            is_sent_away = (
                answer.status_code == 401
                or (answer.status_code == 303 and answer.headers["Location"].startswith("/sign-in"))
                or (answer.status_code == 404 and rule.endpoint.startswith("security."))
            )
            if not is_sent_away:
                open_doors.append(f"{method} {rule.rule}: {answer.status_code}")
    assert open_doors == []


def test_every_change_asks_for_a_right_or_says_that_every_role_may(app):
    silent = []
    for rule in rules(app):
        view = app.view_functions[rule.endpoint]
        methods = (rule.methods or set()) - SAFE
        if not methods or is_public(app, rule.endpoint) or rule.endpoint in MEMBER_ENDPOINTS | SIGN_IN_ENDPOINTS:
            continue
        if getattr(view, "required", None) is None and not guards.required_of(view, methods.pop()):
            silent.append(rule.endpoint)
    assert silent == []


@pytest.mark.parametrize("role", [Role.VIEWER])
def test_a_role_that_only_looks_may_send_nothing_that_changes(app, role):
    actor = Actor(workspace_id=None, kind=ActorKind.USER, role=role, user_id=None, name="", locale="en")  # type: ignore[arg-type]
    # Private views and columns are one's own; what others read too asks for the right to edit in its service.
    own = {"accounts", "security", "people_columns", "people_views", "company_columns", "company_views", "views_api"}
    # They answer with what a rule would find, or what the gate says; keeping or sending asks for more rights.
    previews = {
        "segments.preview",
        "segments.build",
        "segments_api.preview",
        "people_filter.change",
        "outreach_api.gate_of_list",
    }
    allowed = [
        rule.endpoint
        for rule in rules(app)
        for method in (rule.methods or set()) - SAFE
        if not is_public(app, rule.endpoint)
        and rule.endpoint.partition(".")[0] not in own
        and rule.endpoint not in previews
        and all(actor.may(right) for right in guards.required_of(app.view_functions[rule.endpoint], method))
    ]
    assert allowed == []
    assert Permission.EDIT not in RIGHTS[role]


def test_what_changes_something_has_an_address_of_its_own_and_is_never_read(app):
    mixed = {
        rule.endpoint
        for rule in rules(app)
        if "GET" in (rule.methods or set())
        and (rule.methods or set()) - SAFE
        and not rule.endpoint.startswith("security.")
    }
    assert mixed == READ_AND_WRITE
