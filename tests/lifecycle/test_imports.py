"""An import counts every row once, keeps what people said, and brings nobody in twice."""

import io
from datetime import timedelta

import pytest
from factories import accounts as factory
from sqlalchemy import func, select

from crm.accounts.kinds import ActorKind, RecordAccess, Role
from crm.accounts.models import AuditDetail, AuditEntry, Progress, Workspace
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Basis, ConsentAction
from crm.consent.models import ConsentEvent, ConsentState
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import Affiliation, Company, Contact, ContactTag, Fact, Handle
from crm.db import new_id
from crm.errors import InvalidInputError
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind
from crm.interactions.models import Interaction
from crm.lifecycle import queries, runner, services
from crm.lifecycle.kinds import ImportMode, ImportState, MatchKey
from crm.lifecycle.planning import Action

TABLE = (
    "Nome;Cognome;E-mail;Cellulare;Azienda;Ruolo;Tag\n"
    "Chiara;Moretti;chiara@valdarno.it;339 1234567;Ceramiche Valdarno;Acquisti;Fiera\n"
    "Luca;Bianchi;luca@valdarno.it;;ceramiche valdarno;;\n"
    "Anna;Verdi;anna.verdi;;;;\n"
    "Chiara;Moretti;chiara@valdarno.it;;;Direzione;\n"
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "files"


@pytest.fixture
def bring(session, actor, folder, now):
    def bring(
        table: str,
        *,
        mode=ImportMode.UPSERT,
        basis=Basis.CONSENT,
        source="Fiera di Bologna",
        tag="",
        limit=10**6,
        **more,
    ):
        row = services.upload(
            session, actor, folder=folder, name="gente.csv", stream=io.BytesIO(table.encode()), limit=limit, now=now
        )
        choices = services.Choices(mapping=row.mapping, mode=mode, basis=basis, source=source, tag=tag, **more)
        services.configure(session, actor, import_id=row.id, choices=choices, now=now)
        services.start(session, actor, import_id=row.id, folder=folder, now=now)
        return row

    return bring


@pytest.fixture
def run(transaction, session, folder):
    def run(row):
        session.flush()
        runner.run(transaction, workspace_id=row.workspace_id, import_id=row.id, folder=folder)
        session.expire_all()
        return row

    return run


def _count(session, model):
    return session.scalar(select(func.count()).select_from(model))


def test_people_come_in_with_companies_handles_facts_tags_and_consent(session, bring, run):
    row = run(bring(TABLE, tag="Import novembre"))

    assert (row.created, row.updated, row.unchanged, row.refused) == (2, 1, 0, 1)
    chiara = session.scalars(select(Contact).where(Contact.first_name == "Chiara")).one()
    assert (chiara.title, chiara.display_name, chiara.email) == ("Direzione", "Chiara Moretti", "chiara@valdarno.it")
    assert session.scalars(select(Company.name)).all() == ["Ceramiche Valdarno"]
    assert _count(session, Affiliation) == 2
    assert sorted(session.scalars(select(Handle.address_norm))) == [
        "+393391234567",
        "chiara@valdarno.it",
        "luca@valdarno.it",
    ]
    facts = session.scalars(select(Fact).where(Fact.contact_id == chiara.id, Fact.field == "title")).all()
    assert {(fact.value, fact.state, fact.origin, fact.source) for fact in facts} == {
        ("Acquisti", "superseded", FactOrigin.IMPORTED, "gente.csv"),
        ("Direzione", "current", FactOrigin.IMPORTED, "gente.csv"),
    }
    assert _count(session, ContactTag) == 3
    states = session.scalars(select(ConsentState).where(ConsentState.contact_id == chiara.id)).all()
    assert {(state.purpose, state.channel, state.basis) for state in states} == {
        ("promotional", "email", "consent"),
        ("promotional", "phone", "consent"),
    }


def test_the_log_says_who_started_an_import_and_on_which_basis(session, actor, bring):
    row = bring(TABLE, basis=Basis.SOFT_OPT_IN, source="Fiera di Rimini")
    told = session.execute(
        select(AuditEntry.user_id, AuditDetail.after)
        .join(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditEntry.action == "import.started", AuditEntry.object_id == row.id)
    ).one()
    assert told.user_id == actor.user_id
    assert told.after == {"file": "gente.csv", "rows": 4, "basis": "soft_opt_in", "source": "Fiera di Rimini"}


def test_whoever_is_new_came_from_where_the_import_says(session, client, bring, run):
    run(bring("Nome;E-mail\nAnn;ann@example.it\n"))
    ann = session.scalars(select(Contact)).one()
    assert ann.came_from == "Fiera di Bologna"
    assert "Fiera di Bologna" in client.get(f"/contacts/{ann.id}").text
    run(bring("Nome;E-mail;Provenienza\nAnn;ann@example.it;\nBob;bob@example.it;Passaparola\n", source="Cersaie"))
    assert sorted(session.scalars(select(Contact.came_from))) == ["Fiera di Bologna", "Passaparola"]


def test_the_refused_row_says_what_is_wrong_and_keeps_its_cells(session, actor, bring, run):
    row = run(bring(TABLE))

    (refused,) = queries.refused(session, actor, import_id=row.id)

    assert (refused.row, refused.column, refused.code) == (4, "E-mail", "bad_email")
    assert refused.values[:3] == ["Anna", "Verdi", "anna.verdi"]


def test_the_same_file_again_brings_nobody_new(session, bring, run):
    run(bring(TABLE))
    before = (
        _count(session, Contact),
        _count(session, Handle),
        _count(session, Company),
        _count(session, ConsentEvent),
    )

    again = run(bring(TABLE))

    assert (_count(session, Contact), _count(session, Handle), _count(session, Company)) == before[:3]
    assert (again.created, again.refused) == (0, 1)


def test_whoever_is_known_with_all_of_it_is_not_touched(session, bring, run):
    run(bring(TABLE))
    run(bring(TABLE))
    state = select(Contact.id, Contact.version, Contact.updated_at).order_by(Contact.id)
    luca = session.scalars(select(Contact.id).where(Contact.first_name == "Luca")).one()
    before = {row.id: row for row in session.execute(state)}

    again = run(bring("Nome;Cognome;E-mail;Azienda\nLuca;Bianchi;luca@valdarno.it;Ceramiche Valdarno\n"))

    assert again.unchanged == 1
    assert {row.id: row for row in session.execute(state)} == before
    assert before[luca].version == 1


def test_a_name_without_any_address_is_found_again(session, bring, run):
    table = "Nome;Cognome;Azienda\nSofia;Neri;Vetreria Lagorai\n"
    run(bring(table))

    again = run(bring(table))

    assert (again.created, again.unchanged, _count(session, Contact)) == (0, 1, 1)


def test_a_file_never_overrules_a_withdrawal(session, actor, bring, run, now):
    row = run(bring(TABLE))
    chiara = session.scalars(select(Contact).where(Contact.first_name == "Chiara")).one()
    state = session.scalars(
        select(ConsentState).where(ConsentState.contact_id == chiara.id, ConsentState.channel == "email")
    ).one()
    state.action = ConsentAction.WITHDRAWN
    session.flush()
    events = _count(session, ConsentEvent)

    run(bring(TABLE))

    session.refresh(state)
    assert row.state == ImportState.DONE
    assert (state.action, _count(session, ConsentEvent)) == (ConsentAction.WITHDRAWN, events)


def test_an_unknown_basis_gives_no_consent(session, bring, run):
    run(bring(TABLE, basis=Basis.UNKNOWN))

    assert _count(session, ConsentEvent) == 0


@pytest.mark.parametrize(
    ("mode", "counts"), [(ImportMode.CREATE, (1, 0, 1)), (ImportMode.UPDATE, (0, 1, 1)), (ImportMode.UPSERT, (1, 1, 0))]
)
def test_the_mode_decides_about_known_and_new_people(bring, run, mode, counts):
    run(bring("Nome;E-mail\nAnn;ann@example.it\n"))

    row = run(bring("Nome;E-mail\nAnna;ann@example.it\nBob;bob@example.it\n", mode=mode))

    assert (row.created, row.updated, row.refused) == counts


def test_an_address_of_the_company_does_not_become_a_persons(session, bring, run):
    company = Company(name="Ceramiche Valdarno", name_norm="ceramiche valdarno")
    session.add(company)
    session.flush()
    session.add(Handle(channel="email", address="info@v.it", address_norm="info@v.it", company_id=company.id))

    row = run(bring("Nome;E-mail\nAnn;info@v.it\n"))

    assert (row.created, row.refused) == (0, 1)


def test_a_row_whose_addresses_belong_to_two_people_is_refused(bring, run):
    run(bring("Nome;E-mail;Cellulare\nAnn;ann@example.it;\nBob;;339 1234567\n"))

    row = run(bring("Nome;E-mail;Cellulare\nAnn;ann@example.it;339 1234567\n"))

    assert (row.updated, row.refused) == (0, 1)


def test_a_person_whose_second_row_names_another_company_moves_there(session, bring, run):
    row = run(bring("Nome;E-mail;Azienda\nAnn;ann@example.it;Prima\nAnn;ann@example.it;Seconda\n"))

    assert (row.created, row.updated, row.state) == (1, 1, ImportState.DONE)
    places = select(Company.name, Affiliation.is_primary).join(Affiliation, Affiliation.company_id == Company.id)
    assert {tuple(place) for place in session.execute(places)} == {("Prima", False), ("Seconda", True)}
    assert session.scalar(select(Company.name).join(Contact, Contact.company_id == Company.id)) == "Seconda"


@pytest.mark.parametrize(
    ("header", "cells", "name", "sorts_as"),
    [
        ("Nome", "Lucia", "Lucia Bianchi", "bianchi lucia"),
        ("Cognome", "Verdi", "Luca Verdi", "verdi luca"),
    ],
)
def test_a_row_that_changes_one_part_of_a_name_keeps_the_other(session, bring, run, header, cells, name, sorts_as):
    run(bring("Nome;Cognome;E-mail\nLuca;Bianchi;luca@valdarno.it\n"))

    run(bring(f"{header};E-mail\n{cells};luca@valdarno.it\n"))

    luca = session.scalars(select(Contact)).one()
    assert (luca.display_name, luca.sort_name) == (name, sorts_as)
    assert (luca.first_name_norm, luca.last_name_norm) == tuple(name.lower().split())


def test_an_address_that_an_earlier_row_added_is_known_to_be_that_persons(session, bring, run):
    table = "Nome;E-mail;Cellulare\nAnn;ann@example.it;\nAnn;ann@example.it;339 1234567\nAnna;;339 1234567\n"

    row = run(bring(table))

    assert (row.created, row.updated, _count(session, Contact), _count(session, Handle)) == (1, 2, 1, 2)


def test_an_address_that_was_nobodys_becomes_theirs_and_brings_its_history(session, actor, bring, run, now):
    handle = Handle(channel="email", address="ann@example.it", address_norm="ann@example.it")
    session.add(handle)
    session.flush()
    entry = interactions.log(
        session,
        actor,
        kind=InteractionKind.MESSAGE_RECEIVED,
        direction=Direction.INBOUND,
        channel=ChannelKind.EMAIL,
        handle_id=handle.id,
        happened_at=now,
        now=now,
    )

    run(bring("Nome;E-mail;Cellulare\nAnn;ann@example.it;339 1234567\n"))

    ann = session.scalars(select(Contact)).one()
    assert (session.get_one(Handle, handle.id).contact_id, _count(session, Handle)) == (ann.id, 2)
    assert session.get_one(Interaction, entry.id).contact_id == ann.id


def test_a_runner_that_is_called_again_goes_on_behind_the_last_counted_row(session, bring, run, monkeypatch):
    monkeypatch.setattr(runner, "PART_ROWS", 2)
    row = bring("Nome;E-mail\n" + "".join(f"P{n};p{n}@example.it\n" for n in range(7)))
    loaded = services.load_part
    calls = []

    def dies_on_the_third(*args, **kwargs):
        calls.append(kwargs["rows"])
        if len(calls) == 3:
            raise ConnectionError("killed")
        return loaded(*args, **kwargs)

    monkeypatch.setattr(services, "load_part", dies_on_the_third)
    with pytest.raises(ConnectionError):
        run(row)
    session.expire_all()
    assert (row.created, row.state) == (4, ImportState.RUNNING)

    run(row)

    assert (row.created, row.refused, row.state, _count(session, Contact)) == (7, 0, ImportState.DONE, 7)
    work = session.get(Progress, row.progress_id)
    assert (work.done, work.total, work.state) == (7, 7, "done")


def test_the_preview_says_what_would_happen_and_changes_nothing(session, actor, bring, run, folder, now):
    run(bring("Nome;E-mail\nAnn;ann@example.it\n"))
    table = "Nome;E-mail\nAnn;ann@example.it\nBea;bea@example.it\nCarl;carl\n"
    row = services.upload(
        session, actor, folder=folder, name="b.csv", stream=io.BytesIO(table.encode()), limit=10**6, now=now
    )

    plans = queries.preview(session, actor, row=row, folder=folder)

    assert [entry.action for entry in plans] == [Action.UNCHANGED, Action.CREATE, Action.REFUSE]
    assert _count(session, Contact) == 1


def test_a_chosen_mapping_is_offered_again_for_the_same_header(session, actor, folder, now):
    table = b"Chi;Dove\nAnn;ann@example.it\n"
    choices = services.Choices(
        mapping={"Chi": "full_name", "Dove": "email"}, mode=ImportMode.UPSERT, basis=Basis.UNKNOWN, source="Amici"
    )
    first = services.upload(session, actor, folder=folder, name="a.csv", stream=io.BytesIO(table), limit=999, now=now)
    services.configure(session, actor, import_id=first.id, choices=choices, now=now)

    later = now + timedelta(days=1)
    again = services.upload(session, actor, folder=folder, name="b.csv", stream=io.BytesIO(table), limit=999, now=later)

    assert again.mapping == choices.mapping


@pytest.mark.parametrize(
    ("mapping", "source", "field"),
    [
        ({"Nome": "first_name", "Lavoro": "title"}, "x", "Lavoro"),
        ({"Nome": "shoe_size"}, "x", "mapping"),
        ({"Nome": "first_name"}, " ", "source"),
    ],
)
def test_impossible_choices_are_refused_beside_their_field(session, actor, folder, now, mapping, source, field):
    row = services.upload(
        session, actor, folder=folder, name="a.csv", stream=io.BytesIO(b"Nome;B\nAnn;1\n"), limit=999, now=now
    )
    choices = services.Choices(mapping=mapping, mode=ImportMode.UPSERT, basis=Basis.UNKNOWN, source=source)

    with pytest.raises(InvalidInputError) as refusal:
        services.configure(session, actor, import_id=row.id, choices=choices, now=now)

    assert field in refusal.value.fields


def test_phone_numbers_are_read_by_the_country_of_the_workspace(session, actor, bring, run, folder):
    session.get_one(Workspace, actor.workspace_id).country = "DE"
    row = bring("Nome;Telefono;WhatsApp\nAnn;030 901820;0171 1234567\n")

    assert [one.action for one in queries.preview(session, actor, row=row, folder=folder)] == [Action.CREATE]
    run(row)
    assert set(session.scalars(select(Handle.address_norm))) == {"+4930901820", "+491711234567"}


def test_another_workspaces_import_does_not_exist(session, other_actor, bring):
    row = bring(TABLE)
    session.flush()

    with pytest.raises(queries.ImportNotFoundError):
        queries.get(session, other_actor, import_id=new_id())
    assert row.workspace_id != other_actor.workspace_id


def test_whoever_does_not_see_everybody_sees_the_own_imports_only(session, actor, bring, run):
    seller = Actor(
        workspace_id=actor.workspace_id, kind=ActorKind.USER, role=Role.SALES,
        user_id=factory.user(session).id, sees=RecordAccess.OWN,
    )  # fmt: skip
    row = run(bring(TABLE))

    assert [one.id for one in queries.imports(session, actor).items] == [row.id]
    assert queries.imports(session, seller).items == []
    for read in (queries.get, queries.view, queries.refused):
        with pytest.raises(queries.ImportNotFoundError):
            read(session, seller, import_id=row.id)
    row.created_by_id = seller.user_id
    session.flush()
    assert queries.refused(session, seller, import_id=row.id)[0].row == 4


def test_a_row_is_recognised_by_the_chosen_key_alone(session, bring, run):
    run(bring("Nome;Cognome;E-mail;Instagram;Codice;Azienda\nAnn;Bo;ann@example.it;@ann;A1;Uno\n"))
    cases = [
        (MatchKey.EMAIL, "Nome;E-mail\nAnna;ann@example.it\n", (0, 1, 0)),
        (MatchKey.EMAIL, "Nome;E-mail\nAnna;anna@example.it\n", (1, 0, 0)),
        (MatchKey.EMAIL, "Nome;Instagram\nAnna;@ann\n", (0, 0, 1)),
        (MatchKey.HANDLE, "Nome;Instagram\nAda;@ann\n", (0, 1, 0)),
        (MatchKey.EXTERNAL_ID, "Nome;Codice\nAla;A1\n", (0, 1, 0)),
        (MatchKey.EXTERNAL_ID, "Nome;Codice\nAnn;B7\n", (1, 0, 0)),
        (MatchKey.NAME, "Nome;Cognome;Azienda;Ruolo\nAla;Bo;UNO;Capo\n", (0, 1, 0)),
        (MatchKey.NAME, "Nome;Cognome;Azienda\nAla;Bo;Due\n", (1, 0, 0)),
        (MatchKey.PHONE, "Nome;Codice\nAnn;A1\n", (0, 0, 1)),
    ]
    for match, table, counts in cases:
        row = run(bring(table, match=match))
        assert (row.created, row.updated, row.refused) == counts, (match, table)
        again = run(bring(table, match=match))
        assert (again.created, again.updated) == (0, 0), (match, table)


def test_a_row_whose_address_is_somebody_elses_is_refused_whatever_the_key(session, actor, bring, run):
    run(bring("Nome;E-mail;Codice\nAnn;ann@example.it;A1\n"))

    row = run(bring("Nome;E-mail;Codice\nBob;ann@example.it;B1\n", match=MatchKey.EXTERNAL_ID))

    assert [entry.code for entry in queries.refused(session, actor, import_id=row.id)] == ["address_taken"]


def test_a_name_that_several_people_have_decides_nothing(session, actor, bring, run):
    run(bring("Nome;Cognome;E-mail\nAda;Neri;a@example.it\nAda;Neri;b@example.it\n"))

    row = run(bring("Nome;Cognome;Ruolo\nAda;Neri;Capo\n"))

    assert [entry.code for entry in queries.refused(session, actor, import_id=row.id)] == ["several_named"]


def test_people_of_one_name_stay_apart_by_their_codes(session, bring, run):
    table = "Nome;Cognome;Codice\nAda;Neri;1\nAda;Neri;2\n"
    row = run(bring(table))
    again = run(bring(table))

    assert (row.created, again.created, again.unchanged) == (2, 0, 2)


def test_a_new_tag_is_a_change_and_a_known_one_is_none(session, bring, run):
    run(bring("Nome;E-mail;Tag\nAnn;ann@example.it;Fiera\n"))

    first = run(bring("Nome;E-mail;Tag\nAnn;ann@example.it;fiera, Nuova\n"))
    again = run(bring("Nome;E-mail;Tag\nAnn;ann@example.it;FIERA, nuova\n"))

    assert (first.updated, again.updated, again.unchanged) == (1, 0, 1)


def test_strange_values_come_in_as_they_are_or_are_refused_with_their_row(session, actor, bring, run):
    table = (
        'Nome;E-mail;Note\n"=HYPERLINK(1)";f@example.it;x\nעדה 🌻;r@example.it;y\nLungo;l@example.it;"' + "x" * 10**6
    )
    row = run(bring(table + '"\nDopo;d@example.it;z\n', limit=10**7))

    assert (row.created, row.refused) == (3, 1)
    assert set(session.scalars(select(Contact.display_name))) == {"=HYPERLINK(1)", "עדה 🌻", "Dopo"}
    (entry,) = queries.refused(session, actor, import_id=row.id)
    assert (entry.row, entry.column, entry.code) == (4, "Note", "bad_interests")
    assert len(entry.values[2]) < 10_000
