"""The records of processing: made from what is set up, completed by hand, and the same as page, table and JSON."""

import csv
import io
from dataclasses import replace

import pytest
from factories import campaigns, contacts, loyalty, outreach

from crm.accounts.kinds import Role
from crm.accounts.models import AuditEntry
from crm.contacts import services as people
from crm.contacts.kinds import CustomSubject, CustomType
from crm.enrichment import services as enrichment
from crm.enrichment.kinds import SourceName
from crm.errors import ForbiddenError, InvalidInputError
from crm.lifecycle.queries.records import setup
from crm.lifecycle.rules.records import Activity, OwnText
from crm.lifecycle.rules.retention import DataClass
from crm.lifecycle.services import retaining
from crm.lifecycle.services.records import write_record


def test_a_fresh_workspace_lists_only_what_it_does(session, actor):
    found = setup(session, actor)
    assert set(Activity) - set(found.activities) == {Activity.PROMOTIONS, Activity.LOYALTY, Activity.LOOKUPS}
    assert (found.senders, found.sources, found.lookups) == ([], [], [])


def test_whatever_is_set_up_is_in_it(session, actor, now):
    outreach.account(session, actor, now=now)
    outreach.account(session, actor, "Sandbox", is_sandbox=True, address="box@example.com", now=now)
    loyalty.program(session, actor, now=now)
    campaigns.campaign(session, actor, now=now)
    enrichment.set_switch(session, actor, name=SourceName.WEBSITE, is_on=True, now=now)
    for subject, label in ((CustomSubject.CONTACT, "Shoe size"), (CustomSubject.COMPANY, "Machines")):
        data = people.CustomFieldInput(subject=subject, label=label, type=CustomType.NUMBER)
        people.create_custom_field(session, actor, data=data, now=now)
    retaining.choose(session, actor, days={DataClass.DELETED_PEOPLE: 365})
    found = setup(session, actor)
    assert set(found.activities) == set(Activity)
    assert [(one.channel, one.address, one.server) for one in found.senders] == [
        ("email", "sales@lanterna.example.com", "127.0.0.1")
    ]
    assert found.custom_fields == ["Shoe size"]
    assert found.days[DataClass.DELETED_PEOPLE] == 365
    assert found.colleagues == {Role.OWNER: 1}


def test_own_texts_are_kept_told_in_the_audit_log_and_for_the_owner_alone(session, actor, now):
    write_record(session, actor, texts={OwnText.DPO: " Ada Neri, dpo@lanterna.example "}, now=now)
    write_record(session, actor, texts={OwnText.TRANSFERS: "none"}, now=now)
    texts = setup(session, actor).texts
    assert (texts[OwnText.DPO], texts[OwnText.TRANSFERS]) == ("Ada Neri, dpo@lanterna.example", "none")
    assert session.query(AuditEntry).filter_by(action="record.changed").count() == 2
    with pytest.raises(InvalidInputError) as error:
        write_record(session, actor, texts={OwnText.DPO: "x" * 4_001}, now=now)
    assert set(error.value.fields) == {"dpo"}
    with pytest.raises(ForbiddenError):
        setup(session, replace(actor, role=Role.MANAGER))


def test_page_table_and_json_say_the_same_and_no_cell_is_a_formula(client, session, actor, now):
    contacts.contact(session, actor, "Ann Bo", now=now)
    outreach.account(session, actor, now=now)
    session.commit()
    given = dict.fromkeys(("representative", "recipients", "transfers", "measures"), "")
    given |= {"controller": "=HYPERLINK(1)", "dpo": "<b>Ada</b>", "recipients": "Studio Conti"}
    page = client.post("/settings/records", data=given, follow_redirects=True).text
    assert "&lt;b&gt;Ada&lt;/b&gt;" in page
    assert "sales@lanterna.example.com" in page
    table = client.get("/settings/records.csv")
    rows = list(csv.DictReader(io.StringIO(table.text.removeprefix("\ufeff"))))
    assert table.headers["Content-Disposition"].startswith("attachment")
    assert {row["Controller"] for row in rows} == {"'=HYPERLINK(1)"}
    assert all("Studio Conti" in row["Who gets them"] for row in rows)
    shown = client.get("/api/v1/processing-records").json
    assert [line["name"] for line in shown["lines"]] == [row["Activity"] for row in rows]
    sheet = client.get("/settings/records.html").text
    assert "&lt;b&gt;Ada&lt;/b&gt;" in sheet
    assert "<script" not in sheet
    changed = client.patch("/api/v1/processing-records", json={"dpo": "Bea"}).json
    assert (changed["own"]["dpo"], changed["own"]["recipients"]) == ("Bea", "Studio Conti")
    wrong = client.post("/settings/records", data=given | {"dpo": "x" * 4_001})
    assert (wrong.status_code, "x" * 4_001 in wrong.text) == (422, True)


def test_it_is_whole_in_italian(client, session, house, actor, now):
    for make in (outreach.account, loyalty.program, campaigns.campaign):
        make(session, actor, now=now)
    session.commit()
    english = list(csv.reader(io.StringIO(client.get("/settings/records.csv").text)))
    house.user.locale = "it"
    session.commit()
    italian = list(csv.reader(io.StringIO(client.get("/settings/records.csv").text)))
    assert len(italian) == len(english) == 8
    own = {"", "Lanterna Dati", "sales@lanterna.example.com / 127.0.0.1"}
    for ours, theirs in zip(english, italian, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            same = set(one.split("\n")) & set(other.split("\n"))
            assert {line for line in same if "lanterna" not in line.lower()} <= own
