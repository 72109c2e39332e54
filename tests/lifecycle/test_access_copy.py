"""The copy for a person: nothing that the registry knows is forgotten, nothing of others is told."""

import io
import json
import re
import zipfile
from datetime import timedelta

import pytest
from factories import contacts
from factories.planted import EMAIL, LAST, NAME, WORD, planted
from flask_babel import force_locale
from sqlalchemy import select

from crm.accounts.kinds import Permission, Role
from crm.accounts.models import AuditEntry
from crm.accounts.rules import Actor
from crm.db import new_id
from crm.errors import ForbiddenError
from crm.lifecycle import access_copy
from crm.lifecycle.erasure import REGISTRY
from crm.lifecycle.queries import personal
from crm.lifecycle.services import erasing


@pytest.fixture
def contact_id(session, actor, tmp_path, now):
    return planted(session, actor, home=tmp_path, now=now)


def copied(session, actor, contact_id, tmp_path, now, locale="en") -> zipfile.ZipFile:
    target = io.BytesIO()
    name = access_copy.write(
        session, actor, contact_id=contact_id, target=target, folder=tmp_path / "files", locale=locale, now=now
    )
    assert name == f"{NAME}.zip"
    return zipfile.ZipFile(target)


def test_every_table_with_something_of_the_person_is_in_the_copy(session, actor, contact_id, tmp_path, now):
    archive = copied(session, actor, contact_id, tmp_path, now)
    data = json.loads(archive.read("data.json"))
    counted = erasing.preview(session, actor, contact_id=contact_id)
    assert len(counted) > 20
    given = {table: len(rows) for table, rows in data["tables"].items() if rows}
    assert given == counted
    assert set(data["tables"]) == {entry.name for entry in REGISTRY.values() if entry.of and not entry.is_internal}
    assert data["tables"]["contact"][0]["display_name"] == NAME
    facts = {row["field"]: (row["value"], row["origin"]) for row in data["tables"]["fact"]}
    assert facts["street"] == (f"Via {WORD} 1", "typed")
    assert data["tables"]["consent_evidence"][0]["wording"] == WORD
    mails = [name for name in archive.namelist() if name.startswith("mails/")]
    assert WORD.encode() in archive.read(mails[0])


def test_the_page_is_readable_and_tells_nothing_of_others(session, actor, contact_id, tmp_path, now):
    contacts.interaction(session, actor, contact_id, body="<script>alert(1)</script>", now=now)
    archive = copied(session, actor, contact_id, tmp_path, now)
    page = archive.read("index.html").decode()
    assert f"about {NAME}" in page
    for shown in ("Movements of points", "Texts of the timeline", "340", EMAIL, "fair", "typed"):
        assert shown in page, shown
    assert "<script>" not in page
    assert "Ann Bo" not in page
    assert "ann@example.com" not in page + archive.read("data.json").decode()


def test_the_page_is_in_the_language_of_the_person(app, session, actor, contact_id, tmp_path, now):
    with app.test_request_context(), force_locale("it"):
        page = copied(session, actor, contact_id, tmp_path, now, locale="it").read("index.html").decode()
    assert '<html lang="it">' in page
    for shown in (
        "Movimenti di punti",
        "su richiesta della persona",
        "scritto da un collega",
        "Anno di nascita",
        "23 novembre 2026, 11:00",
        "Consenso",
    ):
        assert shown in page, shown
    terms = set(re.findall("<dt>([^<]*)</dt>", page))
    assert not {term for term in terms if "_" in term}
    assert "sha256" not in page


def test_notes_that_a_colleague_keeps_to_themselves_stay_with_them(session, actor, contact_id, tmp_path, now):
    contacts.interaction(session, actor, contact_id, "note", body="between us", visibility="private", now=now)
    seller = Actor(workspace_id=actor.workspace_id, kind=actor.kind, role=Role.SALES, user_id=new_id())
    assert seller.may(Permission.EXPORT)
    told = copied(session, seller, contact_id, tmp_path, now).read("data.json").decode()
    assert "between us" not in told
    assert "between us" in copied(session, actor, contact_id, tmp_path, now).read("data.json").decode()


def test_it_needs_the_right_and_is_noted_without_a_name(session, actor, contact_id, tmp_path, now):
    community = Actor(workspace_id=actor.workspace_id, kind=actor.kind, role=Role.COMMUNITY, user_id=actor.user_id)
    with pytest.raises(ForbiddenError):
        copied(session, community, contact_id, tmp_path, now)
    copied(session, actor, contact_id, tmp_path, now + timedelta(minutes=1))
    entries = select(AuditEntry.object_id).where(AuditEntry.action == "contact.copied")
    assert session.scalars(entries).all() == [contact_id]


def test_many_rows_are_read_in_parts(session, actor, now):
    person = contacts.contact(session, actor, NAME, email=EMAIL, now=now)
    for index in range(personal.PART // 100):
        contacts.interaction(session, actor, person.id, body=f"note {index}", now=now)
    part = next(p for p in personal.parts(session, actor, people=[person.id]) if p.table == "interaction_body")
    assert [row["body"] for row in part.rows] == [f"note {index}" for index in range(personal.PART // 100)]


def test_the_download_speaks_the_chosen_language(client, session, contact_id):
    session.commit()
    answer = client.post(f"/contacts/{contact_id}/copy", data={"language": "it"})
    assert answer.status_code == 200
    assert LAST in answer.headers["Content-Disposition"]
    page = zipfile.ZipFile(io.BytesIO(answer.data)).read("index.html").decode()
    assert '<html lang="it">' in page
    assert "Movimenti di punti" in page
    assert client.post(f"/contacts/{contact_id}/copy", data={"language": "xx"}).status_code == 422
    assert client.get(f"/api/v1/contacts/{contact_id}/copy.zip").status_code == 200
