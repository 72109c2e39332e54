"""The wizard of a fresh installation."""

import threading

import pytest
from sqlalchemy import func, select

from crm.accounts import places
from crm.accounts.credentials import Passwords
from crm.accounts.kinds import Role
from crm.accounts.models import AuditEntry, Membership, User, Workspace
from crm.accounts.places import Choice, Step
from crm.accounts.services import workspaces
from crm.accounts.services.workspaces import AlreadySetUpError, FirstRun
from crm.db import database_now, enter_workspace
from crm.web.i18n import lazy

FORM = {
    "workspace_name": "Lanterna Dati",
    "name": "Giulia Ferri",
    "email": "giulia@example.com",
    "password": "correct horse battery",
    "locale": "it",
    "time_zone": "Europe/Rome",
    "country": "AT",
}


def test_a_fresh_house_greets_with_the_wizard(anonymous):
    answer = anonymous.get("/sign-in")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/setup"
    assert anonymous.get("/setup").status_code == 200


def test_the_first_step_makes_owner_and_workspace_and_signs_in(anonymous, session):
    answer = anonymous.post("/setup", data=FORM)

    assert answer.headers["Location"] == "/setup/sender"
    owner = session.scalars(select(User)).one()
    enter_workspace(session, owner.last_workspace_id)
    workspace = session.scalars(select(Workspace)).one()
    assert (workspace.name, workspace.slug, workspace.locale) == ("Lanterna Dati", "lanterna-dati", "it")
    assert workspace.country == "AT"
    assert session.scalars(select(Membership.role)).one() == Role.OWNER
    assert session.scalars(select(AuditEntry.action)).one() == "workspace.created"
    assert anonymous.get("/setup/sender").status_code == 200
    assert anonymous.get("/setup/people").status_code == 200


def test_finishing_closes_the_wizard_and_leads_to_today(anonymous, session):
    anonymous.post("/setup", data=FORM)

    answer = anonymous.post("/setup/finish")

    assert answer.headers["Location"] == "/"
    session.expire_all()
    enter_workspace(session, session.scalars(select(User.last_workspace_id)).one())
    assert session.scalars(select(Workspace.set_up_at)).one() is not None


def test_the_wizard_is_closed_once_there_is_a_user(anonymous, session, house):
    before = session.scalar(select(func.count()).select_from(User))

    assert anonymous.get("/setup").headers["Location"] == "/sign-in"
    assert anonymous.post("/setup", data=FORM).headers["Location"] == "/sign-in"
    assert session.scalar(select(func.count()).select_from(User)) == before


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("password", "1234567890", "first that somebody would try"),
        ("password", "giulia@example.com", "first that somebody would try"),
        ("email", "not an address", "not an e-mail address"),
        ("workspace_name", "   ", "Write a name"),
        ("time_zone", "Mars/Olympus", "Not a valid choice"),
    ],
)
def test_wrong_input_is_told_beside_its_field_and_leaves_nothing(anonymous, session, field, value, message):
    answer = anonymous.post("/setup", data={**FORM, field: value})

    assert answer.status_code == 422
    assert message in answer.text
    assert 'value="Giulia Ferri"' in answer.text
    assert session.scalar(select(func.count()).select_from(User)) == 0


def test_steps_offer_what_other_domains_put_there(app, anonymous):
    choice = Choice(
        step=Step.SENDER,
        key="try",
        label=lazy("Try the sandbox"),
        text=lazy("Nothing leaves."),
        icon="flask",
        endpoint="accounts.setup_finish",
        post=True,
        primary=True,
    )
    places.add_choice(app, choice)
    anonymous.post("/setup", data=FORM)

    assert "Try the sandbox" in anonymous.get("/setup/sender").text
    assert "Try the sandbox" not in anonymous.get("/setup/people").text


def test_of_two_first_runs_at_once_one_wins(fresh_database):
    password = Passwords("test").new("correct horse battery")
    outcomes, gate = [], threading.Barrier(2)

    def begin(number):
        try:
            with fresh_database.database.scope() as session:
                gate.wait()
                first = FirstRun(
                    email=f"owner{number}@example.com",
                    name="Owner",
                    password=password,
                    workspace_name="House",
                    locale="it",
                    time_zone="Europe/Rome",
                )
                workspaces.first_run(session, first=first, now=database_now(session))
        except AlreadySetUpError:
            outcomes.append("closed")
        else:
            outcomes.append("made")

    threads = [threading.Thread(target=begin, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["closed", "made"]
    with fresh_database.database.scope() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 1


def test_two_workspaces_of_one_name_get_different_addresses(session, house, now):
    one = workspaces.create(session, owner=house.user, name="Bottega Città", now=now)
    two = workspaces.create(session, owner=house.user, name="Bottega Città", now=now)

    assert one.slug == "bottega-citta"
    assert two.slug.startswith("bottega-citta-")
