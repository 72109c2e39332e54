"""Files bring the workspace's own fields, with each value checked, and what they changed is taken back."""

import io
from datetime import date

import pytest
from factories import contacts as make
from sqlalchemy import select

from crm.accounts.models import Progress
from crm.consent.kinds import Basis
from crm.contacts import queries as people
from crm.contacts import services as contacts
from crm.contacts.custom_inputs import CustomFieldInput
from crm.contacts.kinds import CustomSubject, FactOrigin, FactState
from crm.contacts.models import Contact, Fact
from crm.lifecycle import queries, runner, services
from crm.lifecycle.kinds import ImportMode
from crm.lifecycle.planning import Action
from crm.lifecycle.rules.columns import Own, Target, guess, living

NINE = (
    "E-mail;Nome completo;Misura;Budget;Premio;Rinnovo;Livello;Temi;Cliente VIP;Sito;Presentato da\n"
    "ann@example.it;Ann Bo;Media;12,5;120,50 EUR;2026-11-23;oro;Vino, Olio;sì;example.it;\n"
    "bob@example.it;Bob Dini;Larga;-3;;;;;no;;ann@example.it\n"
)


@pytest.fixture
def define(session, actor, now):
    def define(label, kind="text", **more):
        data = CustomFieldInput.model_validate({"label": label, "type": kind, **more})
        return contacts.create_custom_field(session, actor, data=data, now=now)

    return define


@pytest.fixture
def nine(define):
    """One field of each type."""
    define("Misura")
    define("Budget", "number")
    define("Premio", "money")
    define("Rinnovo", "date")
    define("Livello", "choice", choices=[{"label": "Oro"}, {"label": "Argento"}])
    define("Temi", "choices", choices=[{"label": "Vino"}, {"label": "Olio"}])
    define("Cliente VIP", "yes_no")
    define("Sito", "url")
    define("Presentato da", "contact")


@pytest.fixture
def upload(session, actor, tmp_path, now):
    def upload(table: str, *, mapping=None, mode=ImportMode.UPSERT):
        stream = io.BytesIO(table.encode())
        row = services.upload(session, actor, folder=tmp_path, name="a.csv", stream=stream, limit=10**6, now=now)
        choices = services.Choices(mapping=mapping or row.mapping, mode=mode, basis=Basis.UNKNOWN, source="Fiera")
        services.configure(session, actor, import_id=row.id, choices=choices, now=now)
        return row

    return upload


@pytest.fixture
def bring(session, transaction, actor, tmp_path, upload, now):
    def bring(table: str, **more):
        row = upload(table, **more)
        services.start(session, actor, import_id=row.id, folder=tmp_path, now=now)
        session.flush()
        runner.run(transaction, workspace_id=row.workspace_id, import_id=row.id, folder=tmp_path)
        session.expire_all()
        return row

    return bring


@pytest.fixture
def take_back(session, transaction, actor, now):
    def take_back(row):
        services.ask_to_revert(session, actor, import_id=row.id, now=now)
        session.flush()
        runner.revert(transaction, workspace_id=row.workspace_id, import_id=row.id)
        session.expire_all()
        return session.get_one(Progress, row.revert_progress_id).result

    return take_back


def counts(row):
    return (row.created, row.updated, row.unchanged, row.refused)


def own(session, actor, email):
    person = session.scalars(select(Contact).where(Contact.email == email)).one()
    fields = people.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    values = people.custom_values_of(session, actor, fields=fields, contact_ids=[person.id])
    return {key: value.plain for key, value in values.get(person.id, {}).items()}


def facts(session, field):
    rows = session.scalars(select(Fact).where(Fact.field == field, Fact.state == FactState.CURRENT))
    return {(fact.value, fact.origin, fact.source) for fact in rows}


def test_values_of_every_type_come_in_by_the_names_of_their_columns(session, actor, nine, bring):
    row = bring(NINE)
    assert counts(row) == (2, 0, 0, 0)
    ann = session.scalars(select(Contact).where(Contact.email == "ann@example.it")).one()
    assert own(session, actor, "ann@example.it") == {
        "misura": "Media",
        "budget": 12.5,
        "premio": {"amount": 12050, "currency": "EUR"},
        "rinnovo": date(2026, 11, 23).isoformat(),
        "livello": "oro",
        "temi": ["vino", "olio"],
        "cliente_vip": True,
        "sito": "https://example.it",
    }
    assert own(session, actor, "bob@example.it") == {
        "misura": "Larga",
        "budget": -3,
        "cliente_vip": False,
        "presentato_da": str(ann.id),
    }
    assert facts(session, "custom.budget") == {
        ("12.5", FactOrigin.IMPORTED, "a.csv"),
        ("-3", FactOrigin.IMPORTED, "a.csv"),
    }
    assert counts(bring(NINE)) == (0, 0, 2, 0)


def test_a_value_that_does_not_fit_keeps_its_row_out_with_the_reason(session, actor, define, bring, client):
    define("Budget", "number", highest="100")
    row = bring("E-mail;Budget\nann@example.it;12\nbob@example.it;molto\ncarl@example.it;101\n")
    assert counts(row) == (1, 0, 0, 2)
    refused = queries.refused(session, actor, import_id=row.id)
    assert [(entry.row, entry.column, entry.told["sentence"]) for entry in refused] == [
        (3, "Budget", "Write a number."),
        (4, "Budget", "Not above %(limit)s."),
    ]
    assert "Not above 100." in client.get(f"/imports/{row.id}").text
    assert "Not above 100." in client.get(f"/imports/{row.id}/refused.csv").text


def test_the_preview_says_what_would_become_of_own_fields(session, actor, define, bring, upload, tmp_path):
    define("Budget", "number")
    bring("E-mail;Budget\nann@example.it;1\n")
    row = upload("E-mail;Budget\nann@example.it;2\nann@example.it;molto\nann@example.it;2\n")
    plans = queries.preview(session, actor, row=row, folder=tmp_path)
    assert [plan.action for plan in plans] == [Action.UPDATE, Action.REFUSE, Action.UNCHANGED]
    assert plans[1].sentence == "Write a number."


def test_taking_an_import_back_brings_the_old_values_and_their_origin(session, actor, nine, bring, take_back):
    bring(NINE)
    before = own(session, actor, "ann@example.it")
    changed = bring(
        "E-mail;Misura;Budget;Premio;Temi;Livello;Rinnovo\n"
        "ann@example.it;Piccola;1;7 EUR;Olio;Argento;\nbob@example.it;;;;Vino;;2027-01-01\n"
    )
    assert counts(changed) == (0, 2, 0, 0)
    assert own(session, actor, "ann@example.it") == {
        **before,
        "misura": "Piccola",
        "budget": 1,
        "premio": {"amount": 700, "currency": "EUR"},
        "temi": ["olio"],
        "livello": "argento",
    }
    take_back(changed)
    assert own(session, actor, "ann@example.it") == before
    assert own(session, actor, "bob@example.it").keys() == {"misura", "budget", "cliente_vip", "presentato_da"}
    assert {value for value, _, _ in facts(session, "custom.budget")} == {"12.5", "-3"}
    assert {value for value, _, _ in facts(session, "custom.temi")} == {"vino, olio"}


def test_what_somebody_typed_after_the_import_stays(session, actor, nine, bring, take_back, now):
    bring(NINE)
    changed = bring("E-mail;Misura;Temi\nann@example.it;Piccola;Olio\n")
    ann = session.scalars(select(Contact).where(Contact.email == "ann@example.it")).one()
    contacts.set_custom_values(
        session, actor, contact_id=ann.id, values={"misura": "Enorme", "temi": ["olio"]}, now=now
    )
    contacts.set_custom_values(session, actor, contact_id=ann.id, values={"temi": []}, now=now)
    assert take_back(changed)["kept"] > 0
    kept = own(session, actor, "ann@example.it")
    assert kept["misura"] == "Enorme"
    assert "temi" not in kept
    assert ("Enorme", FactOrigin.TYPED, "") in facts(session, "custom.misura")


def test_a_person_is_found_by_address_id_code_or_whole_name(session, actor, define, bring):
    define("Capo", "contact")
    boss = make.contact(session, actor, "Gianna Rossi", email="gianna@example.it")
    make.contact(session, actor, "Ugo Neri")
    make.contact(session, actor, "Ugo Neri")
    row = bring(
        "E-mail;Capo\na@example.it;Gianna@Example.it\nb@example.it;rossi gianna\n"
        f"c@example.it;{str(boss.id).upper()}\nd@example.it;a@example.it\ne@example.it;Ugo Neri\nf@example.it;nessuno\n"
    )
    assert counts(row) == (4, 0, 0, 2)
    for email in ("a@example.it", "b@example.it", "c@example.it"):
        assert own(session, actor, email) == {"capo": str(boss.id)}
    refused = queries.refused(session, actor, import_id=row.id)
    assert [entry.told["sentence"] for entry in refused] == [
        "Several people are called so: write the e-mail address.",
        "Nobody is called so.",
    ]


def test_a_remembered_mapping_survives_an_archived_field(session, actor, define, bring, upload, now):
    field = define("Budget", "number")
    table = "E-mail;Quanto;Ruolo\nann@example.it;5;Acquisti\n"
    chosen = {"E-mail": "email", "Quanto": "custom.budget", "Ruolo": "title"}
    bring(table, mapping=chosen)
    assert own(session, actor, "ann@example.it") == {"budget": 5}
    assert upload(table).mapping == chosen
    contacts.archive_custom_field(session, actor, field_id=field.id, is_archived=True, now=now)
    row = bring(table.replace("5", "6"))
    assert row.mapping == {**chosen, "Quanto": ""}
    assert counts(row) == (0, 0, 1, 0)


def test_a_mapping_to_a_field_that_is_not_there_is_refused(define, upload):
    define("Budget", "number")
    with pytest.raises(services.MappingError) as refused:
        upload("E-mail;Quanto\nann@example.it;5\n", mapping={"E-mail": "email", "Quanto": "custom.other"})
    assert refused.value.fields == {"Quanto": "There is no field with this name."}
    with pytest.raises(services.MappingError):
        upload(
            "E-mail;Quanto;Altro\nann@example.it;5;6\n",
            mapping={"E-mail": "email", "Quanto": "custom.budget", "Altro": "custom.budget"},
        )


def test_a_field_that_is_archived_before_the_start_is_passed_over(session, actor, define, upload, tmp_path, now):
    field = define("Budget", "number")
    row = upload("E-mail;Budget\nann@example.it;molto\n")
    contacts.archive_custom_field(session, actor, field_id=field.id, is_archived=True, now=now)
    assert queries.preview(session, actor, row=row, folder=tmp_path)[0].action is Action.CREATE


def test_an_own_field_takes_the_column_with_its_name_but_never_the_address(session, actor, define):
    define("Note")
    define("Email")
    define("Città")
    fields = people.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    assert guess(["note", "E-mail", "Email", "citta", "custom.citta", "NOTE "], fields) == {
        "note": Own("note"),
        "E-mail": Target.EMAIL,
        "Email": Target.EMAIL,
        "citta": Target.CITY,
        "custom.citta": Own("citta"),
        "NOTE ": Target.INTERESTS,
    }
    assert living({"a": "custom.gone", "b": "city"}, fields, instead={"a": Target.CITY}) == {"a": "", "b": "city"}


def test_the_page_offers_own_fields(define, client):
    define("Budget di “Natale”", "number")
    table = "E-mail;Budget di “Natale”\nann@example.it;5\n"
    answer = client.post("/imports/new", data={"file": (io.BytesIO(table.encode()), "gente.csv")})
    page = client.get(answer.location).text
    assert '<optgroup label="Own fields"><option selected value="custom.budget_di_natale">' in page
