"""Two workspaces in one installation: whoever holds the other one's ids reaches nothing of it, by any address."""

import itertools
import json

import pytest
from factories.everything import WORDS, everything
from factories.routes import BODIES, FORMS, QUERIES, bodies, url
from sqlalchemy import text

from crm import models
from crm.db import enter_workspace
from crm.web.api import PREFIX

TENANT = sorted(table.name for table in models.metadata.tables.values() if table.info.get("tenant"))
# Addresses whose path is itself the key (a signed link, a code on paper), and the doors of platforms, which sign what
# they bring; tests/portal, tests/loyalty and tests/outreach try those.
CAPABILITIES = {
    "accounts.invitation",
    "accounts.reset_password",
    "hooks.challenge",
    "hooks.deliver",
    "loyalty.offer_page",
    "one_click.ask",
    "one_click.stop",
    "portal.preferences",
    "portal.save",
    "security.two_factor_setup_validate",
}
FILES = {"static", "assets.file"}
# The till tells its reason in the code of a 409; for an unknown code it is the same sentence as for one that never was.
REFUSED = {("POST", "loyalty_api.redeem"): 409}


def addressed(app):
    """Every rule that names something of a workspace."""
    return sorted(
        (
            rule
            for rule in app.url_map.iter_rules()
            if rule.arguments - set(WORDS) and rule.endpoint not in CAPABILITIES | FILES
        ),
        key=lambda rule: rule.rule,
    )


def mixtures(rule, mine, theirs):
    """The ids of the other workspace alone, and behind ids of one's own: [ids by parameter]."""
    named = sorted((rule.arguments | {QUERIES.get(rule.endpoint, "")}) & set(theirs))
    for is_theirs in itertools.product((True, False), repeat=len(named)):
        if any(is_theirs):
            yield {name: (theirs if other else mine)[name] for name, other in zip(named, is_theirs, strict=True)}


@pytest.fixture
def kits(session, house, other_house, settings):
    """(mine, theirs): one thing of every kind in each of the two workspaces."""
    enter_workspace(session, other_house.workspace.id)
    theirs = everything(session, other_house.actor, home=settings.home)
    enter_workspace(session, house.workspace.id)
    return everything(session, house.actor, home=settings.home), theirs


@pytest.fixture
def fingerprint(transaction, other_house):
    """Take a fingerprint of every row of the other workspace and of its people: {table: hash}."""

    def take():
        session = transaction.session(other_house.workspace.id)
        enter_workspace(session, other_house.workspace.id)
        whole = "select count(*) || ':' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from {} t {}"
        found = {name: session.scalar(text(whole.format(name, ""))) for name in TENANT}
        for table, column in (("workspace", "id"), ("app_user", "last_workspace_id")):
            where = f"where t.{column} = '{other_house.workspace.id}'"
            found[table] = session.scalar(text(whole.format(table, where)))
        session.close()
        return found

    return take


def test_the_ids_of_the_other_workspace_open_nothing_and_change_nothing(app, client, kits, fingerprint):
    mine, theirs = kits
    document = client.get(f"{PREFIX}/openapi.json").get_json()
    accepted = bodies(document)
    before = fingerprint()
    assert all(
        count.split(":")[0] != "0" for name, count in before.items() if name in {"contact", "message", "voucher"}
    )
    leaks, tried = [], 0

    for rule in addressed(app):
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            for ids in mixtures(rule, mine, theirs):
                options = {"data": FORMS.get(rule.endpoint)}
                if rule.rule.startswith(PREFIX) and method not in {"GET", "HEAD"}:
                    path = rule.rule.replace("<uuid:", "{").replace("<", "{").replace(">", "}")
                    body = BODIES.get(rule.endpoint, accepted[method, path])
                    options = {"json": body, "headers": {"Idempotency-Key": f"isolation-{tried}"}}
                answer = client.open(url(rule, ids), method=method, **options)
                tried += 1
                if answer.status_code != REFUSED.get((method, rule.endpoint), 404):
                    foreign = [name for name, value in ids.items() if value == theirs[name]]
                    leaks.append(
                        f"{method} {rule.rule} with foreign {foreign}: {answer.status_code} {options.get('json')}"
                        f" {answer.text[:200] if answer.is_json else ''}"
                    )

    assert not leaks, "\n".join(leaks)
    assert {name for name, value in fingerprint().items() if value != before[name]} == set()
    assert tried > 200


def test_the_same_addresses_open_with_ones_own_ids(app, client, kits):
    """Without this, the test above would also pass on addresses that never answer."""
    mine, _theirs = kits
    shut = []
    for rule in addressed(app):
        if "GET" in (rule.methods or set()):
            answer = client.get(url(rule, mine))
            if answer.status_code not in {200, 204, 303}:
                shut.append(f"{rule.rule}: {answer.status_code}")
    assert not shut, "\n".join(shut)


def test_without_any_filter_the_database_shows_one_workspace(session, house, other_house, kits):
    """Row-level security alone: plain statements over whole tables, as the role that the application uses."""
    enter_workspace(session, other_house.workspace.id)
    filled = {name for name in TENANT if session.scalar(text(f"select exists (select from {name})"))}  # noqa: S608
    enter_workspace(session, house.workspace.id)

    seen = {
        name: session.scalar(text(f"select count(*) from {name} where workspace_id <> :m"), {"m": house.workspace.id})  # noqa: S608
        for name in TENANT
    }

    assert {name for name, count in seen.items() if count} == set()
    assert len(filled) > 40, sorted(set(TENANT) - filled)
    assert session.scalar(text("select current_user")) == "crm_app"


def test_without_any_filter_nothing_of_the_other_workspace_can_be_changed(session, house, other_house, kits):
    enter_workspace(session, house.workspace.id)
    touched = {}
    for name in ("contact", "message", "segment", "offer", "campaign", "api_token"):
        statement = text(f"delete from {name} where workspace_id = :theirs")  # noqa: S608
        touched[name] = session.execute(statement, {"theirs": other_house.workspace.id}).rowcount

    assert set(touched.values()) == {0}
    with pytest.raises(Exception, match="row-level security"), session.begin_nested():
        session.execute(
            text("insert into tag (id, workspace_id, name, name_norm) values (gen_random_uuid(), :theirs, 'x', 'x')"),
            {"theirs": other_house.workspace.id},
        )


def test_without_a_workspace_the_database_shows_nothing(transaction, session, kits):
    nobody = transaction.session()
    nobody.execute(text("select set_config('crm.workspace', '', true)"))
    assert {name for name in TENANT if nobody.scalar(text(f"select count(*) from {name}"))} == set()  # noqa: S608
    nobody.close()


def test_bodies_are_made_for_every_operation(client):
    document = client.get(f"{PREFIX}/openapi.json").get_json()
    assert json.dumps(list(bodies(document).values()))
