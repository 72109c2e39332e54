"""Own fields of every type go out in each kind of file and come in again as they were."""

import csv
import io

import pytest
from conftest import make_house
from factories import contacts as make
from sqlalchemy import select

from crm.consent.kinds import Basis
from crm.contacts import queries as people
from crm.contacts import services as contacts
from crm.contacts.custom_inputs import CustomFieldInput
from crm.contacts.kinds import CustomSubject
from crm.contacts.models import Contact
from crm.db import enter_workspace
from crm.files import services as files
from crm.lifecycle import queries, runner, services
from crm.lifecycle.kinds import ExportFormat, ExportState, ImportMode, ImportState
from crm.lifecycle.rules import writing
from crm.lifecycle.words import TARGETS

WORDING = services.Wording([str(TARGETS[target]) for target in writing.COLUMNS], ";", "people")
FIELDS = (
    ("Misura, peso", "text", {}),
    ("City", "text", {}),
    ("Budget", "number", {}),
    ("Premio", "money", {}),
    ("Rinnovo", "date", {}),
    ("Livello", "choice", {"choices": [{"label": "Oro, o più"}, {"label": "Argento"}]}),
    ("Temi", "choices", {"choices": [{"label": "Vino; rosso"}, {"label": "Olio"}, {"label": "Pane"}]}),
    ("VIP", "yes_no", {}),
    ("Sito", "url", {}),
    ("Presentato da", "contact", {}),
)


@pytest.fixture
def take(session, transaction, tmp_path, now):
    def take(actor, form=ExportFormat.CSV):
        enter_workspace(session, actor.workspace_id)
        row = services.ask(session, actor, form=form, query={}, wording=WORDING, now=now)
        session.flush()
        runner.export(transaction, workspace_id=actor.workspace_id, export_id=row.id, folder=tmp_path)
        session.expire_all()
        assert row.state == ExportState.DONE
        assert row.file_id is not None
        with files.open_file(session, folder=tmp_path, file_id=row.file_id) as file:
            return file.read()

    return take


@pytest.fixture
def bring(session, transaction, tmp_path, now):
    def bring(actor, content: bytes):
        enter_workspace(session, actor.workspace_id)
        row = services.upload(
            session, actor, folder=tmp_path, name="people", stream=io.BytesIO(content), limit=10**7, now=now
        )
        choices = services.Choices(
            mapping=row.mapping, mode=ImportMode.UPSERT, basis=Basis.UNKNOWN, source="Esportazione"
        )
        services.configure(session, actor, import_id=row.id, choices=choices, now=now)
        services.start(session, actor, import_id=row.id, folder=tmp_path, now=now)
        session.flush()
        runner.run(transaction, workspace_id=actor.workspace_id, import_id=row.id, folder=tmp_path)
        session.expire_all()
        assert row.state == ImportState.DONE
        told = [(entry.row, entry.column, entry.told) for entry in queries.refused(session, actor, import_id=row.id)]
        return (row.created, row.updated, row.unchanged, told)

    return bring


def define_all(session, actor, now):
    for label, kind, more in FIELDS:
        data = CustomFieldInput.model_validate({"label": label, "type": kind, **more})
        contacts.create_custom_field(session, actor, data=data, now=now)


@pytest.fixture
def filled(session, now):
    """A workspace with three people who have values of all types, and an empty one with the same fields."""
    first, second = make_house(session, name="Prima").actor, make_house(session, name="Seconda").actor
    enter_workspace(session, second.workspace_id)
    define_all(session, second, now)
    enter_workspace(session, first.workspace_id)
    define_all(session, first, now)
    ann = make.contact(session, first, "Ann Bo", email="ann@example.it")
    bob = make.contact(session, first, "Bob Dini")
    carl = make.contact(session, first, "Carl Este", email="carl@example.it")
    given = {
        ann: {"budget": 1.125, "premio": "1.250,5 EUR", "temi": ["vino_rosso", "pane"], "vip": True, "city": "Roma"},
        bob: {
            "budget": 1e-12,
            "premio": {"amount": 1125, "currency": "KWD"},
            "livello": "oro_o_piu",
            "presentato_da": str(ann.id),
        },
        carl: {
            "budget": -1250,
            "misura_peso": "=1+1",
            "rinnovo": "2026-11-23",
            "vip": False,
            "sito": "example.it/a?b=c",
            "presentato_da": str(bob.id),
            "livello": "argento",
            "temi": ["olio"],
        },
    }
    for person, values in given.items():
        contacts.set_custom_values(session, first, contact_id=person.id, values=values, now=now)
    session.flush()
    return first, second


def kept(session, actor):
    enter_workspace(session, actor.workspace_id)
    fields = people.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    listed = session.scalars(select(Contact).where(people.alive(actor)).order_by(Contact.sort_name)).all()
    names = {str(person.id): person.display_name for person in listed}
    values = people.custom_values_of(session, actor, fields=fields, contact_ids=[person.id for person in listed])
    return {
        person.display_name: {
            key: names.get(value.text, value.text) for key, value in values.get(person.id, {}).items()
        }
        for person in listed
    }


@pytest.mark.parametrize("form", list(ExportFormat))
def test_values_of_all_types_come_in_as_they_went_out(session, filled, take, bring, form):
    first, second = filled
    out = take(first, form)
    before = kept(session, first)
    assert bring(first, out) == (0, 0, 3, [])
    assert kept(session, first) == before
    assert bring(second, out) == (3, 0, 0, [])
    assert kept(session, second) == before


def test_columns_are_called_like_their_fields_unless_another_one_is(session, filled, take):
    rows = list(csv.DictReader(io.StringIO(take(filled[0]).decode("utf-8-sig")), delimiter=";"))
    assert list(rows[0])[-10:] == [
        "Misura, peso",
        "custom.city",
        "Budget",
        "Premio",
        "Rinnovo",
        "Livello",
        "Temi",
        "VIP",
        "Sito",
        "Presentato da",
    ]
    assert [row["Budget"] for row in rows] == ["1.1250", "0.000000000001", "-1250"]
    assert [row["Presentato da"] for row in rows][0:2] == ["", "ann@example.it"]
    assert rows[2]["Misura, peso"] == "'=1+1"


def test_a_field_that_is_archived_is_not_written(session, filled, take, now):
    actor = filled[0]
    field = people.custom_fields(session, actor, subject=CustomSubject.CONTACT)[0]
    contacts.archive_custom_field(session, actor, field_id=field.id, is_archived=True, now=now)
    assert "Misura" not in take(actor).decode("utf-8-sig")
    assert "X-FILODIRETTO-CUSTOM-BUDGET:-1250" in take(actor, ExportFormat.VCARD_4).decode()


def test_cards_name_as_many_own_fields_as_a_workspace_can_have(session, actor, bring):
    strange = "".join(f"X-FILODIRETTO-CUSTOM-F{number}:x\r\n" for number in range(900))
    card = f"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann Bo\r\n{strange}X-FILODIRETTO-CUSTOM-;:y\r\nEND:VCARD\r\n"
    assert bring(actor, card.encode()) == (1, 0, 0, [])
