"""The running application under attack: committed data, CSRF on, several browsers."""

import re

import pytest
from conftest import TEST_CONFIG
from factories import accounts as factory

from crm.accounts.kinds import Role
from crm.accounts.models import Membership

EMAIL = "owner@example.com"


@pytest.fixture
def fortress(fresh_database, lent):
    """The application over a committed database, with CSRF protection, as in production."""
    with fresh_database.database.scope() as session:
        factory.owner(session, email=EMAIL)
    return lent(fresh_database.database, limited=True, TESTING=True)


@pytest.fixture
def committed(fresh_database):
    """Run a function in a committed transaction; its first argument is the session, entered into the house."""

    def run(work):
        with fresh_database.database.scope() as session:
            from sqlalchemy import select

            from crm.accounts.models import User
            from crm.db import enter_workspace

            owner = session.scalars(select(User).where(User.email == EMAIL)).one()
            enter_workspace(session, owner.last_workspace_id)
            return work(session, owner)

    return run


@pytest.fixture
def colleague(committed):
    """A sales person of the house: (user id, membership id, address)."""

    def make(session, owner):
        row = factory.user(session, email="luca@example.com")
        membership = Membership(user_id=row.id, role=Role.SALES)
        session.add(membership)
        row.last_workspace_id = owner.last_workspace_id
        session.flush()
        return row.id, membership.id, row.email

    return committed(make)


def token_of(browser, path):
    """The CSRF token of the form on a page."""
    return re.search(r'name="csrf_token" value="([^"]+)"', browser.get(path).text).group(1)


@pytest.fixture
def submit():
    """Post a form the way a browser does: with the token of the page it stands on."""

    def post(browser, path, data=None, *, page=None, **options):
        fields = {"csrf_token": token_of(browser, page or path), **(data or {})}
        answer = browser.post(path, data=fields, **options)
        answer.get_data()
        answer.close()
        return answer

    return post


@pytest.fixture
def enter(submit):
    """Sign a browser in."""

    def sign_in(browser, email=EMAIL, password=factory.PASSWORD, **data):
        return submit(browser, "/sign-in", {"email": email, "password": password, **data})

    return sign_in


@pytest.fixture
def app(lent, transaction):
    """With everything switched on as in production but CSRF."""
    return lent(transaction, limited=True, **TEST_CONFIG)
