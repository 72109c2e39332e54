"""The audit log: what is written, read, filtered and exported."""

import csv
import io
from datetime import timedelta

import pytest
from factories import accounts as factory
from sqlalchemy import select, text

from crm.accounts import queries
from crm.accounts.kinds import Permission, Role
from crm.accounts.models import AuditDetail, AuditEntry
from crm.accounts.queries import AuditFilter
from crm.accounts.services import audit
from crm.accounts.services.audit import MASK, Origin
from crm.accounts.views.audit import plain_cell
from crm.db import database_now, enter_workspace, new_id
from crm.errors import ForbiddenError, InvalidInputError


def test_an_entry_holds_who_what_and_from_where(session, actor):
    session.info["origin"] = Origin(ip="192.0.2.7", request_id="r1")
    thing = new_id()

    entry = audit.record(
        session, actor, action="contact.changed", object_kind="contact", object_id=thing, after={"name": "Ann"}
    )

    detail = session.scalars(select(AuditDetail).where(AuditDetail.entry_id == entry.id)).one()
    assert (entry.user_id, entry.object_id, entry.request_id) == (actor.user_id, thing, "r1")
    assert (detail.ip, detail.after) == ("192.0.2.7", {"name": "Ann"})


def test_secrets_are_masked_at_every_depth():
    masked = audit.masked(
        {"password": "x", "smtp": {"api_token": "y", "host": "h"}, "name": "z", "secret": None, "when": new_id}
    )

    assert masked["password"] == MASK
    assert masked["smtp"] == {"api_token": MASK, "host": "h"}
    assert (masked["name"], masked["secret"]) == ("z", None)
    assert isinstance(masked["when"], str)


def test_only_what_differs_is_kept():
    assert audit.changes({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ({"b": 2}, {"b": 3})


def fill(session, actor, count):
    for number in range(count):
        audit.record(session, actor, action=f"thing.{number % 2}", after={"n": number})


def test_pages_follow_each_other_without_gap_or_repeat(session, house, actor):
    fill(session, actor, 7)

    seen, after = [], None
    while True:
        page = queries.audit_entries(session, actor, narrow=AuditFilter(), after=after, limit=3)
        seen += [line.detail.after["n"] for line in page.items]
        after = page.next
        if after is None:
            break

    assert sorted(seen) == list(range(7))
    assert len(seen) == 7


def test_filters_narrow(session, house, actor):
    fill(session, actor, 4)
    *_, other = factory.member(session, house)
    audit.record(session, other, action="thing.0", object_id=new_id())
    at = database_now(session)

    def count(**narrow):
        return len(queries.audit_entries(session, actor, narrow=AuditFilter(**narrow)).items)

    assert count() == 5
    assert count(action="thing.0") == 3
    assert count(user_id=other.user_id) == 1
    assert count(since=at + timedelta(days=1)) == 0
    assert count(before=at - timedelta(days=1)) == 0
    assert count(since=at - timedelta(days=1), before=at + timedelta(days=1)) == 5


def test_a_made_up_cursor_is_refused(session, actor):
    with pytest.raises(InvalidInputError):
        queries.audit_entries(session, actor, narrow=AuditFilter(), after="bm9uc2Vuc2U")


def test_only_those_with_the_right_read_it(session, house, actor, signed_in):
    row, _, viewer = factory.member(session, house, role=Role.VIEWER)

    with pytest.raises(ForbiddenError):
        queries.audit_entries(session, viewer, narrow=AuditFilter())
    assert signed_in(type(house)(house.workspace, row, viewer)).get("/settings/audit").status_code == 403


def test_another_workspace_has_another_log(session, house, other_house):
    enter_workspace(session, other_house.workspace.id)
    fill(session, other_house.actor, 2)
    enter_workspace(session, house.workspace.id)

    assert queries.audit_entries(session, house.actor, narrow=AuditFilter()).items == []


def test_the_page_filters_and_tells_changes_in_words(client, session, house, actor):
    audit.record(session, actor, action="workspace.changed", before={"name": "Old"}, after={"name": "New <b>"})
    audit.record(session, actor, action="token.made")

    page = client.get("/settings/audit?action=workspace.changed").text

    assert "Changed the settings of the workspace" in page
    assert "New &lt;b&gt;" in page
    assert page.count("<tr><td") == 1
    assert client.get("/settings/audit?who=nonsense").status_code == 422
    assert client.get("/settings/audit?since=2026-01-01&until=2026-01-02").status_code == 200


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_the_export_is_a_formula(value):
    assert plain_cell(value) == f"'{value}"


def test_the_export_holds_what_the_filters_show(client, session, house, actor):
    audit.record(session, actor, action="=cmd()", after={"name": "Ann"})
    audit.record(session, actor, action="token.made")

    answer = client.get("/settings/audit.csv?action=%3Dcmd()")

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.mimetype == "text/csv"
    assert [(row["action"], row["user"], row["after"]) for row in rows] == [
        ("'=cmd()", "Giulia Ferri", '{"name": "Ann"}')
    ]
    assert session.scalar(select(AuditEntry).where(AuditEntry.action == "audit.exported")) is not None


def test_the_api_pages_through_the_log(anonymous, session, house, actor):
    fill(session, actor, 3)
    _row, secret = factory.token(session, house.workspace.id, scopes=[Permission.SEE_AUDIT])
    headers = {"Authorization": f"Bearer {secret}"}

    first = anonymous.get("/api/v1/audit?limit=2", headers=headers).get_json()
    rest = anonymous.get(f"/api/v1/audit?limit=2&after={first['next']}", headers=headers).get_json()

    assert len(first["items"]) == 2
    assert {item["action"] for item in first["items"] + rest["items"]} == {"thing.0", "thing.1", "token.made"}
    assert anonymous.get("/api/v1/audit?limit=0", headers=headers).status_code == 422
    assert anonymous.get("/api/v1/audit?nonsense=1", headers=headers).status_code == 422


def test_entries_can_be_neither_changed_nor_removed(session, actor):
    entry = audit.record(session, actor, action="x")

    for statement in ("update audit_entry set action = 'y' where id = :id", "delete from audit_entry where id = :id"):
        with pytest.raises(Exception, match="permission denied"), session.begin_nested():
            session.execute(text(statement), {"id": entry.id})
