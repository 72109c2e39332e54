"""Pages of one's own, of the workspace, and of operations."""

import json
import re
from pathlib import Path

import pytest
from factories import accounts as factory
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.accounts.models import AuditEntry, User, UserSession, Workspace
from crm.accounts.services import browsers
from crm.accounts.views.profile import browser_name
from crm.app import create_app
from crm.db import database_now

WORKSPACE = {
    "name": "Lanterna Dati",
    "locale": "it",
    "time_zone": "Europe/Rome",
    "country": "DE",
    "postal_address": "Via Roma 1\nGenova",
    "window_start": "08:30",
    "window_end": "18:00",
    "window_days": ["5", "1"],
    "promotional_per_week": "3",
    "company_per_week": "4",
    "audience_limit": "50",
    "second_approval": "y",
}


def test_the_profile_is_changed_and_told_to_the_audit_log(client, session, house):
    answer = client.post(
        "/settings/profile", data={"name": "Giulia F.", "locale": "it", "time_zone": "Asia/Tokyo", "theme": "dark"}
    )

    session.refresh(house.user)
    assert answer.status_code == 303
    assert (house.user.name, house.user.locale, house.user.time_zone, house.user.theme) == (
        "Giulia F.",
        "it",
        "Asia/Tokyo",
        "dark",
    )
    assert "user.changed" in session.scalars(select(AuditEntry.action)).all()
    page = client.get("/settings/profile").text
    assert '<html lang="it" data-theme="dark">' in page
    assert "Fuso orario" in page


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "\x07"), ("locale", "xx"), ("theme", "pink"), ("time_zone", "Mars/Olympus")],
)
def test_a_wrong_profile_is_refused_and_kept_in_the_form(client, session, house, field, value):
    data = {"name": "Giulia", "locale": "it", "time_zone": "", "theme": "dark", field: value}

    answer = client.post("/settings/profile", data=data)

    session.expire_all()
    assert answer.status_code == 422
    assert "fd-field__error" in answer.text
    assert session.get(User, house.user.id).theme == "auto"


def test_ones_browsers_are_listed_and_ended(client, session, house):
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) Safari/604.1"
    browsers.start(session, user_id=house.user.id, ip="192.0.2.9", agent=agent, now=database_now(session))
    other = session.scalar(select(UserSession).where(UserSession.ip == "192.0.2.9"))

    page = client.get("/settings/access").text
    assert "Safari, iPhone" in page
    assert "192.0.2.9" in page
    assert page.count("this browser") == 1
    client.post(f"/settings/access/browsers/{other.id}/end")

    session.refresh(other)
    assert other.ended_at is not None
    assert client.get("/settings/access").status_code == 200


def test_all_other_browsers_are_ended_at_once(client, session, house):
    for _ in range(3):
        browsers.start(session, user_id=house.user.id, ip="", agent="", now=database_now(session))

    client.post("/settings/access/browsers/end")

    open_rows = session.scalars(select(UserSession).where(UserSession.ended_at.is_(None))).all()
    assert len(open_rows) == 1
    assert client.get("/settings/access").status_code == 200


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/150.0 Safari/537.36 Edg/150.0", "Edge, Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Firefox/150.0", "Firefox, Linux"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15) Chrome/150.0 Safari/537.36", "Chrome, macOS"),
        ("curl/8", "Unknown browser"),
    ],
)
def test_a_browser_is_named_by_what_it_says(app, agent, name):
    with app.test_request_context(headers={"Accept-Language": "en"}):
        assert browser_name(agent) == name


def test_the_workspace_is_changed(client, session, house):
    answer = client.post("/settings/workspace", data=WORKSPACE)

    session.refresh(house.workspace)
    row = house.workspace
    assert answer.status_code == 303
    assert (row.window_start, row.window_end, row.window_days) == ("08:30", "18:00", "1,5")
    assert (row.promotional_per_week, row.company_per_week, row.audience_limit) == (3, 4, 50)
    assert (row.second_approval, row.require_second_factor) == (True, False)
    assert row.country == "DE"
    assert row.postal_address.splitlines() == ["Via Roma 1", "Genova"]
    page = client.get("/settings/workspace").text
    assert 'value="08:30"' in page
    assert page.count('name="window_days"') == 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("window_start", "25:00"),
        ("window_end", "08:30"),
        ("window_days", []),
        ("window_days", ["8"]),
        ("promotional_per_week", "-1"),
        ("promotional_per_week", "0"),
        ("audience_limit", "100000"),
        ("company_per_week", "many"),
        ("time_zone", "Mars/Olympus"),
        ("country", "XX"),
    ],
)
def test_an_impossible_workspace_is_refused_and_nothing_changes(client, session, house, field, value):
    answer = client.post("/settings/workspace", data={**WORKSPACE, "postal_address": "changed", field: value})

    session.expire_all()
    assert answer.status_code == 422
    assert session.get(Workspace, house.workspace.id).postal_address == ""


def test_a_program_changes_the_settings_it_names(client, session, house):
    answer = client.patch("/api/v1/workspace", json={"country": "FR", "audience_limit": 60})

    assert (answer.status_code, answer.get_json()["country"]) == (200, "FR")
    session.refresh(house.workspace)
    assert (house.workspace.country, house.workspace.audience_limit) == ("FR", 60)
    refused = client.patch("/api/v1/workspace", json={"country": "xx", "name": "Other"})
    assert refused.status_code == 422
    session.refresh(house.workspace)
    assert (house.workspace.country, house.workspace.name) == ("FR", "Lanterna Dati")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("window_end", WORKSPACE["window_start"], "begin and end at the same time"),
        ("promotional_per_week", "0", "from 1 to 50"),
        ("company_per_week", "0", "from 1 to 50"),
        ("time_zone", "Mars/Olympus", "Not a valid choice"),
    ],
)
def test_what_would_let_nothing_leave_is_told_beside_its_field(client, house, field, value, sentence):
    page = client.post("/settings/workspace", data={**WORKSPACE, field: value}).text
    told = re.search(rf'id="{field}-error".*?<span>(.*?)</span>', page, re.DOTALL)
    assert told is not None
    assert sentence in told[1]


def test_sending_hours_may_pass_midnight(client, session, house):
    answer = client.post("/settings/workspace", data={**WORKSPACE, "window_start": "22:00", "window_end": "06:00"})
    session.refresh(house.workspace)
    assert answer.status_code == 303
    assert (house.workspace.window_start, house.workspace.window_end) == ("22:00", "06:00")


def test_who_may_not_change_the_workspace_reads_it(app, session, house, signed_in):
    row, _, actor = factory.member(session, house, role=Role.SALES)
    page = signed_in(type(house)(house.workspace, row, actor)).get("/settings/workspace").text

    assert "Only an owner changes these." in page
    assert "<form" not in page.partition('id="main"')[2].partition("</main>")[0]


def test_settings_list_only_what_one_may_open(app, session, house, signed_in):
    row, _, actor = factory.member(session, house, role=Role.TILL)
    page = signed_in(type(house)(house.workspace, row, actor)).get("/settings").text

    assert "/settings/profile" in page
    assert "/settings/tokens" not in page
    assert "/settings/people" not in page


def test_a_visitor_chooses_the_language_before_signing_in(anonymous, house):
    anonymous.post("/preferences", data={"locale": "it", "next": "/sign-in"})

    page = anonymous.get("/sign-in").text
    assert '<html lang="it"' in page
    assert "Password dimenticata?" in page


def test_a_member_switches_theme_and_language_from_the_menu(client, session, house):
    assert client.post("/preferences", data={"theme": "light"}, headers={"HX-Request": "true"}).status_code == 204
    client.post("/preferences", data={"locale": "it"})
    client.post("/preferences", data={"locale": "xx", "theme": "pink"})

    session.refresh(house.user)
    assert (house.user.theme, house.user.locale) == ("light", "it")


def test_alive_and_ready_are_open_and_say_nothing_else(anonymous):
    assert anonymous.get("/healthz").text == "ok\n"
    ready = anonymous.get("/readyz")
    assert (ready.status_code, ready.get_json()) == (200, {"database": "ok"})


def test_not_ready_while_the_queue_is_away(fresh_database, settings, jobs):
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    app = create_app(away, database=fresh_database.database, jobs=jobs)

    answer = app.test_client().get("/readyz")

    assert (answer.status_code, answer.get_json()) == (503, {"database": "ok", "queue": "failed"})


def test_metrics_are_closed_without_their_token(transaction, settings, jobs):
    closed = create_app(settings, database=transaction, jobs=jobs).test_client()
    assert closed.get("/metrics").status_code == 404

    app = create_app(settings.model_copy(update={"metrics_token": "m"}), database=transaction, jobs=jobs)
    browser = app.test_client()
    assert browser.get("/metrics").status_code == 401
    assert browser.get("/metrics", headers={"Authorization": "Bearer x"}).status_code == 401
    answer = browser.get("/metrics", headers={"Authorization": "Bearer m"})
    assert answer.status_code == 200
    assert "python_info" in answer.text


def test_the_health_of_the_api_needs_a_token_and_names_the_release(anonymous, session, house):
    _row, secret = factory.token(session, house.workspace.id)

    answer = anonymous.get("/api/v1/health", headers={"Authorization": f"Bearer {secret}"}).get_json()

    assert answer["status"] == "ok"
    assert answer["checks"] == {"database": True}
    assert anonymous.get("/api/v1/health").status_code == 401


def test_every_sentence_of_accounts_is_translated():
    from babel.messages.pofile import read_po

    root = Path(__file__).parents[2]
    with (root / "translations/accounts/it/LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = read_po(file, locale="it")

    empty = [message.id for message in catalogue if message.id and not all(_strings(message))]
    assert json.dumps(empty) == "[]"
    assert len(catalogue) > 200


def _strings(message):
    return message.string if isinstance(message.string, tuple) else (message.string,)


def test_the_settings_lead_to_every_page_under_them(app, client):
    pages = {
        str(rule)
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and str(rule).startswith("/settings/") and not rule.arguments
    }
    # Those stand on the page that they belong to; recovery codes only where there is a second factor.
    pages -= {
        page for page in pages if page.endswith(("/new", "/add", "/sign-in/back", ".csv", ".html", "/recovery-codes"))
    }
    shown = set(re.findall(r'href="(/settings/[^"]+)"', client.get("/settings").text))
    assert pages - shown == set()
