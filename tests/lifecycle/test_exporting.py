"""People come out as a file that only who asked may have, opens safely, and changes nothing when it comes in again."""

import csv
import io
import json
from datetime import timedelta

import pytest
from conftest import make_house
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from crm.accounts.kinds import ActorKind, RecordAccess, Role
from crm.accounts.models import AuditEntry, Membership, Progress
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Basis
from crm.contacts import services as people
from crm.contacts.inputs import ContactInput, HandleInput
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import Contact
from crm.db import enter_workspace
from crm.errors import InvalidInputError
from crm.files import services as files
from crm.jobs import JobName
from crm.lifecycle import queries, runner, services
from crm.lifecycle.export_models import Export
from crm.lifecycle.kinds import ExportFormat, ExportState, ImportMode, ImportState
from crm.lifecycle.rules import writing
from crm.lifecycle.rules.columns import Target
from crm.lifecycle.words import TARGETS

WORDING = services.Wording([str(TARGETS[target]) for target in writing.COLUMNS], ",", "people")


@pytest.fixture
def take(session, transaction, tmp_path, now):
    """Export to bytes, as an actor."""

    def take(actor, form=ExportFormat.CSV, **query):
        row = services.ask(session, actor, form=form, query=query, wording=WORDING, now=now)
        session.flush()
        runner.export(transaction, workspace_id=actor.workspace_id, export_id=row.id, folder=tmp_path)
        session.expire_all()
        assert row.state == ExportState.DONE
        with files.open_file(session, folder=tmp_path, file_id=row.file_id) as file:
            return file.read()

    return take


@pytest.fixture
def bring(session, transaction, tmp_path, now):
    def bring(actor, content: bytes):
        stream = io.BytesIO(content)
        row = services.upload(session, actor, folder=tmp_path, name="people", stream=stream, limit=10**7, now=now)
        choices = services.Choices(
            mapping=row.mapping, mode=ImportMode.UPSERT, basis=Basis.UNKNOWN, source="Esportazione"
        )
        services.configure(session, actor, import_id=row.id, choices=choices, now=now)
        services.start(session, actor, import_id=row.id, folder=tmp_path, now=now)
        session.flush()
        runner.run(transaction, workspace_id=actor.workspace_id, import_id=row.id, folder=tmp_path)
        session.expire_all()
        assert row.state == ImportState.DONE, queries.refused(session, actor, import_id=row.id)
        return row

    return bring


def person(session, actor, now, **values):
    handles = [HandleInput(channel=channel, address=address) for channel, address in values.pop("handles", [])]
    data = ContactInput(handles=handles, **values)
    return people.create(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_what_looks_like_a_formula_is_a_text_in_a_spreadsheet(session, actor, take, now):
    person(session, actor, now, first_name="=HYPERLINK(1)", last_name="@SUM(A1)", title="'-già", birthday="--04-21")

    (row,) = table(take(actor))

    assert (row["First name"], row["Last name"]) == ("'=HYPERLINK(1)", "'@SUM(A1)")
    assert (row["Role in the company"], row["Birthday"]) == ("''-già", "'--04-21")


def test_cards_hold_what_address_books_read(session, actor, take, now):
    person(
        session, actor, now, first_name="Zoë", last_name="De; Luca", company_name="Caffè, Forlì", birthday="--04-21",
        interests="prima\nseconda 🌻" + "à" * 80, tags=["a, b"],
        handles=[(ChannelKind.EMAIL, "zoe@example.it"), (ChannelKind.PHONE, "339 111 2223")],
    )  # fmt: skip

    three, four = (take(actor, form).decode() for form in (ExportFormat.VCARD_3, ExportFormat.VCARD_4))

    assert "\r\nN:De\\; Luca;Zoë;;;\r\nFN:Zoë De\\; Luca\r\n" in three
    assert "\r\nBDAY:--0421\r\n" in three
    assert "\r\nEMAIL;TYPE=INTERNET:zoe@example.it\r\n" in three
    assert "\r\nCATEGORIES:a\\, b\r\n" in three
    assert "VERSION:4.0" in four
    assert max(len(line.encode()) for line in (three + four).split("\r\n")) <= 75


@pytest.mark.parametrize("form", [ExportFormat.VCARD_3, ExportFormat.VCARD_4])
@pytest.mark.parametrize("handles", [[(ChannelKind.EMAIL, "info@example.it")], [(ChannelKind.INSTAGRAM, "@u1")]])
def test_an_address_that_a_card_shows_for_want_of_a_name_is_no_name(session, actor, take, bring, now, form, handles):
    person(session, actor, now, first_name="Ada")
    person(session, actor, now, handles=handles)

    again = bring(actor, take(actor, form))

    assert (again.created, again.updated, again.refused) == (0, 0, 0)


def test_spaces_within_an_address_stay_as_they_are(session, actor, take, bring, now):
    person(session, actor, now, first_name="Ada", street="Via\u00a0Emilia  12")

    again = bring(actor, take(actor, ExportFormat.VCARD_3))

    assert (again.created, again.updated, again.refused) == (0, 0, 0)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30)
LINES = NAMES.map(str.strip)
NOTES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]) | st.just("\n"), max_size=80)
HANDLES = st.lists(
    st.sampled_from(
        [
            (ChannelKind.EMAIL, "{}@example.it"), (ChannelKind.PHONE, "+39 339 {:07}"),
            (ChannelKind.INSTAGRAM, "@u{}"), (ChannelKind.MASTODON, "@u{}@mastodon.uno"),
            (ChannelKind.BLUESKY, "@u{}.bsky.social"), (ChannelKind.LINKEDIN, "linkedin.com/in/u{}"),
            (ChannelKind.X, "@u{}"), (ChannelKind.TELEGRAM, "@user{}"), (ChannelKind.WHATSAPP, "+39 340 {:07}"),
        ]
    ),
    max_size=5,
)  # fmt: skip
PERSON = st.fixed_dictionaries(
    {
        "first_name": LINES, "last_name": LINES, "title": LINES, "company_name": LINES, "street": LINES,
        "city": LINES, "came_from": LINES.map(lambda text: text or "Fiera"), "interests": NOTES.map(str.strip),
        "external_id": st.sampled_from(["", "A1", "=7", "B2"]),
        "language": st.sampled_from(["", "it", "en"]), "country": st.sampled_from(["", "IT", "CH"]),
        "time_zone": st.sampled_from(["", "Europe/Rome"]), "address_form": st.sampled_from(["formal", "informal"]),
        "birthday": st.sampled_from(["", "1980-04-21", "--02-29"]),
        "importance": st.sampled_from(["key", "normal"]), "lifecycle": st.sampled_from(["follower", "customer"]),
        "tags": st.lists(st.sampled_from(["Fiera", "a, b", 'c"d', "=x", "é 🌻"]), unique=True, max_size=3),
        "handles": HANDLES,
    }
)  # fmt: skip


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(data=st.lists(PERSON, min_size=1, max_size=5), form=st.sampled_from(list(ExportFormat)))
def test_what_came_out_comes_in_the_same(transaction, take, bring, session, now, data, form):
    first, second = make_house(session, name="Prima").actor, make_house(session, name="Seconda").actor
    enter_workspace(session, first.workspace_id)
    codes: set[str] = set()
    for number, values in enumerate(data):
        handles = [
            (channel, pattern.format(number * 10 + place)) for place, (channel, pattern) in enumerate(values["handles"])
        ]
        code = "" if values["external_id"] in codes else values["external_id"]
        codes.add(code)
        given_values = {**values, "handles": handles, "external_id": code}
        if not (values["first_name"] or values["last_name"] or handles):
            given_values["first_name"] = "Ada"
        person(session, first, now, **given_values)
    out = take(first, form)

    again = bring(first, out)
    assert (again.created, again.updated, again.refused) == (0, 0, 0), queries.refused(
        session, first, import_id=again.id
    )
    enter_workspace(session, second.workspace_id)
    fresh = bring(second, out)
    assert (fresh.created, fresh.refused) == (len(data), 0)
    assert take(second, form) == out or form is ExportFormat.XLSX
    # A workbook holds the time at which it was written; its rows are compared as a table.
    assert table(take(second)) == table(_in(session, first, take))


def _in(session, actor, take):
    enter_workspace(session, actor.workspace_id)
    return take(actor)


def test_the_filter_of_the_list_is_the_filter_of_the_export(session, actor, take, now):
    ann = person(session, actor, now, first_name="Ann", lifecycle="customer", tags=["Fiera"])
    person(session, actor, now, first_name="Bob")
    tag = people.tag_named(session, actor, name="Fiera", now=now)
    rule = json.dumps({"field": "lifecycle", "op": "any_of", "value": ["customer"]})

    for query in ({"lifecycle": "customer"}, {"tag": str(tag.id)}, {"rule": rule}, {"owner": "me", "tag": str(tag.id)}):
        assert [row["Code in another program"] for row in table(take(actor, **query))] == [str(ann.id)]
    with pytest.raises(InvalidInputError):
        services.ask(session, actor, form=ExportFormat.CSV, query={"rule": "[" * 9}, wording=WORDING, now=now)


def test_nobody_finds_people_in_a_file_whom_they_may_not_see(session, house, actor, take, now):
    person(session, actor, now, first_name="Mia")
    other = person(session, actor, now, first_name="Altrui")
    other.owner_id = None
    house.workspace.record_access = {Role.SALES.value: RecordAccess.OWN.value}
    session.scalars(select(Membership).where(Membership.user_id == house.user.id)).one().role = Role.SALES.value
    session.flush()

    assert [row["First name"] for row in table(take(actor))] == ["Mia"]


def test_only_who_asked_may_have_the_file_and_only_for_a_week(session, actor, client, take, now, transaction, settings):
    row = services.ask(session, actor, form=ExportFormat.CSV, query={}, wording=WORDING, now=now)
    session.flush()
    folder = settings.home / "files"
    runner.export(transaction, workspace_id=actor.workspace_id, export_id=row.id, folder=folder)
    session.expire_all()
    other = Actor(workspace_id=actor.workspace_id, kind=ActorKind.USER, role=Role.OWNER, user_id=None)
    with pytest.raises(queries.ExportNotFoundError):
        queries.export(session, other, export_id=row.id)
    assert client.get(f"/exports/{row.id}/file").status_code in {200, 404}
    with pytest.raises(queries.ExportNotFoundError):
        services.fetch(session, actor, export_id=row.id, now=row.expires_at + timedelta(seconds=1))

    row.expires_at = now - timedelta(days=1)
    session.flush()
    found = session.execute(text("select export_id from crm_expired_exports(10)")).scalars().all()
    assert row.id in found
    path = files.path_of(folder, row.file_id)
    services.forget(session, actor, row=row, folder=folder)
    assert (row.state, row.file_id, path.exists()) == (ExportState.EXPIRED, None, False)


def test_a_list_goes_from_its_page_to_a_file(session, actor, client, jobs, transaction, settings, now):
    person(session, actor, now, first_name="Ann", lifecycle="customer")
    person(session, actor, now, first_name="Bob")
    assert "/exports/new?lifecycle=customer" in client.get("/contacts?lifecycle=customer").text
    page = client.get("/exports/new?lifecycle=customer").text
    assert 'name="lifecycle" value="customer"' in page

    answer = client.post("/exports/new", data={"lifecycle": "customer", "format": "csv"})
    row = session.scalars(select(Export)).one()
    assert answer.headers["Location"].endswith(f"/exports/{row.id}")
    assert jobs.rung[-1] == (JobName.RUN_EXPORT, {"workspace_id": row.workspace_id, "export_id": row.id})
    assert "Wake it up" not in client.get(f"/exports/{row.id}").text
    session.get_one(Progress, row.progress_id).updated_at = now - timedelta(minutes=2)
    session.flush()
    assert "Wake it up" in client.get(f"/exports/{row.id}").text
    runner.export(transaction, workspace_id=row.workspace_id, export_id=row.id, folder=settings.home / "files")
    session.expire_all()

    assert "1 person" in client.get(f"/exports/{row.id}").text
    file = client.get(f"/exports/{row.id}/file")
    assert [line["First name"] for line in table(file.data)] == ["Ann"]
    assert file.headers["Content-Disposition"].startswith("attachment; filename=people-")
    assert "people-" in client.get("/exports").text
    client.post(f"/exports/{row.id}/forget")
    assert client.get(f"/exports/{row.id}/file").status_code == 404
    log = set(session.scalars(select(AuditEntry.action)))
    assert {"export.started", "export.fetched", "export.forgotten"} <= log


def test_the_api_exports(session, actor, client, transaction, settings, now):
    person(session, actor, now, first_name="Ann")
    asked = client.post("/api/v1/exports", json={"format": "vcard4"})
    assert asked.status_code == 202
    export_id = asked.get_json()["id"]
    assert client.get(f"/api/v1/exports/{export_id}/file").status_code == 404
    runner.export(transaction, workspace_id=actor.workspace_id, export_id=export_id, folder=settings.home / "files")

    shown = client.get(f"/api/v1/exports/{export_id}").get_json()
    assert (shown["state"], shown["people"]) == ("done", 1)
    assert client.get(f"/api/v1/exports/{export_id}/file").data.startswith(b"BEGIN:VCARD\r\nVERSION:4.0")
    assert client.post("/api/v1/exports", json={"rule": "x"}).status_code == 422


def test_many_people_are_written_part_by_part(session, actor, take, now, monkeypatch):
    monkeypatch.setattr(runner, "EXPORT_ROWS", 2)
    for number in range(5):
        person(session, actor, now, first_name=f"P{number}")

    assert [row["First name"] for row in table(take(actor))] == ["P0", "P1", "P2", "P3", "P4"]


def test_a_sheet_that_is_full_ends_the_export_with_its_reason(
    session, actor, transaction, client, tmp_path, now, monkeypatch
):
    monkeypatch.setattr(writing, "SHEET_ROWS", 2)
    for number in range(3):
        person(session, actor, now, first_name=f"P{number}")
    row = services.ask(session, actor, form=ExportFormat.XLSX, query={}, wording=WORDING, now=now)
    session.flush()
    runner.export(transaction, workspace_id=actor.workspace_id, export_id=row.id, folder=tmp_path)
    session.expire_all()

    assert (row.state, row.file_id) == (ExportState.FAILED, None)
    assert "The export stopped" in client.get(f"/exports/{row.id}").text
    assert session.scalars(select(Contact)).first() is not None


def test_every_column_that_is_written_has_a_name():
    assert set(writing.COLUMNS) | {Target.IGNORE, Target.FULL_NAME, Target.MIDDLE_NAME} == set(Target)
