"""A whole import is taken back: new people go, old values come back, later work stays and is counted."""

import io

import pytest
from sqlalchemy import func, select

from crm.accounts.kinds import RecordAccess, Role
from crm.accounts.models import AuditEntry, Membership, Progress
from crm.consent.kinds import Basis
from crm.contacts import services as people
from crm.contacts.models import Affiliation, Company, Contact, ContactTag, Handle
from crm.jobs import JobName
from crm.lifecycle import runner, services
from crm.lifecycle.kinds import ImportMode

FIRST = "Nome;Cognome;E-mail;Ruolo;Azienda;Tag\nAnn;Bo;ann@example.it;Acquisti;Uno;Fiera\nBob;Dini;bob@example.it;;;\n"
SECOND = (
    "Nome;Cognome;E-mail;Cellulare;Ruolo;Azienda;Tag\n"
    "Anna;Bo;ann@example.it;339 1234567;Direzione;Due;Nuova\n"
    "Bob;Dini;bob@example.it;;Vendite;;\n"
    "Carla;Neri;carla@example.it;;;Tre;\n"
    "Dora;Blu;dora@example.it;;;;\n"
)


@pytest.fixture
def bring(session, transaction, actor, tmp_path, now):
    def bring(table: str):
        stream = io.BytesIO(table.encode())
        row = services.upload(session, actor, folder=tmp_path, name="a.csv", stream=stream, limit=10**6, now=now)
        choices = services.Choices(
            mapping=row.mapping, mode=ImportMode.UPSERT, basis=Basis.CONSENT, source="Fiera", tag=""
        )
        services.configure(session, actor, import_id=row.id, choices=choices, now=now)
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


def state(session):
    """What is there of living people, with all that an import can touch."""
    contacts = select(Contact).where(Contact.deleted_at.is_(None)).order_by(Contact.email)
    return [
        (
            person.first_name, person.display_name, person.sort_name, person.title, person.title_norm,
            session.scalar(select(Company.name).where(Company.id == person.company_id)),
            sorted(session.scalars(select(Handle.address_norm).where(
                Handle.contact_id == person.id, Handle.deleted_at.is_(None)))),
            session.scalar(select(func.count()).where(ContactTag.contact_id == person.id)),
            sorted(session.execute(select(Affiliation.is_primary, Company.name).join(
                Company, Company.id == Affiliation.company_id).where(Affiliation.contact_id == person.id)).all()),
        )
        for person in session.scalars(contacts)
    ]  # fmt: skip


def test_everything_is_as_it_was_before(session, bring, take_back):
    bring(FIRST)
    before = state(session)
    row = bring(SECOND)
    assert (row.created, row.updated) == (2, 2)
    assert state(session) != before

    result = take_back(row)

    assert state(session) == before
    assert (result["people_removed"], result["people_kept"], result["kept"]) == (2, 0, 0)
    assert session.scalars(select(Company.name).where(Company.deleted_at.is_(None))).all() == ["Uno"]


def test_what_somebody_did_since_stays_and_is_counted(session, actor, bring, take_back, now):
    bring(FIRST)
    row = bring(SECOND)
    ann, bob, carla = (
        session.scalars(select(Contact).where(Contact.email == address)).one()
        for address in ("ann@example.it", "bob@example.it", "carla@example.it")
    )
    people.update(session, actor, contact_id=bob.id, changes={"title": "Capo"}, now=now)
    people.update(session, actor, contact_id=carla.id, changes={"city": "Faenza"}, now=now)

    result = take_back(row)

    session.refresh(bob)
    session.refresh(carla)
    session.refresh(ann)
    assert (bob.title, carla.deleted_at, ann.title) == ("Capo", None, "Acquisti")
    assert (result["people_removed"], result["people_kept"]) == (1, 1)
    assert result["kept"] >= 1


def test_the_same_file_can_be_brought_in_again_afterwards(session, bring, take_back):
    row = bring(FIRST)
    take_back(row)
    assert state(session) == []

    again = bring(FIRST)

    assert (again.created, again.refused, len(state(session))) == (2, 0, 2)


def test_a_second_time_and_an_import_under_way_are_refused(session, actor, bring, take_back, now):
    row = bring(FIRST)
    take_back(row)
    with pytest.raises(services.NotRevertibleError) as refusal:
        services.ask_to_revert(session, actor, import_id=row.id, now=now)
    assert refusal.value.code == "undone_already"

    row.state = "running"
    with pytest.raises(services.NotRevertibleError) as refusal:
        services.ask_to_revert(session, actor, import_id=row.id, now=now)
    assert refusal.value.code == "not_revertible"


def test_what_fails_leaves_everything_and_says_so(session, transaction, actor, client, bring, now, monkeypatch):
    row = bring(FIRST)
    services.ask_to_revert(session, actor, import_id=row.id, now=now)
    session.flush()

    def breaks(*_args, **_options):
        raise ConnectionError("gone")

    monkeypatch.setattr("crm.lifecycle.services.reverting.undo", breaks)
    with pytest.raises(ConnectionError):
        runner.revert(transaction, workspace_id=row.workspace_id, import_id=row.id)
    session.expire_all()

    assert len(state(session)) == 2
    page = client.get(f"/imports/{row.id}").text
    assert "could not be taken back" in page
    assert "Take this import back?" in page


def test_the_page_and_the_api_take_it_back(client, session, transaction, jobs, bring):
    row = bring(FIRST)
    assert "Take this import back?" in client.get(f"/imports/{row.id}").text

    client.post(f"/imports/{row.id}/revert")
    assert jobs.rung[-1] == (JobName.REVERT_IMPORT, {"workspace_id": row.workspace_id, "import_id": row.id})
    assert "is being taken back" in client.get(f"/imports/{row.id}").text
    again = client.post(f"/api/v1/imports/{row.id}/revert")
    assert (again.status_code, again.get_json()["code"]) == (409, "not_revertible")
    runner.revert(transaction, workspace_id=row.workspace_id, import_id=row.id)
    session.expire_all()

    page = client.get(f"/imports/{row.id}").text
    assert "The import was taken back" in page
    assert "Take this import back?" not in page
    shown = client.get(f"/api/v1/imports/{row.id}").get_json()
    assert (shown["reverting"], shown["reverted"]["people_removed"]) == ("done", 2)
    assert "import.reverted" in set(session.scalars(select(AuditEntry.action)))


def test_the_import_works_with_the_rights_of_who_started_it(session, house, bring):
    """Whoever sees only their own people changes nobody else's, and owns whom they bring in."""
    bring(FIRST)
    house.workspace.record_access = {Role.SALES.value: RecordAccess.OWN.value}
    session.scalars(select(Membership).where(Membership.user_id == house.user.id)).one().role = Role.SALES.value
    session.flush()

    row = bring(SECOND)
    again = bring(SECOND)

    assert (row.created, row.updated, row.refused) == (2, 0, 2)
    assert (again.created, again.unchanged, again.refused) == (0, 2, 2)
    owners = select(Contact.email).where(Contact.owner_id == house.user.id)
    assert set(session.scalars(owners)) == {"carla@example.it", "dora@example.it"}
    assert session.scalars(select(Contact.title).where(Contact.email == "ann@example.it")).one() == "Acquisti"
