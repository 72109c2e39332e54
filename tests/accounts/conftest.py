"""Browsers and people of the accounts tests."""

import pytest
from conftest import TEST_CONFIG
from factories import accounts as factory

from crm.accounts.kinds import Role
from crm.app import create_app


@pytest.fixture
def person(session, house):
    """A sales person of the house, with a password."""
    row, _membership, _actor = factory.member(session, house, email="luca@example.com")
    return row


@pytest.fixture
def viewer(session, house):
    return factory.member(session, house, role=Role.VIEWER, name="Vera Neri")


@pytest.fixture
def sign_in():
    """Post the sign-in form as a browser, and let the server end the answer, as every WSGI server does."""

    def post(browser, email, password=factory.PASSWORD, **data):
        answer = browser.post("/sign-in", data={"email": email, "password": password, **data})
        answer.get_data()
        answer.close()
        return answer

    return post


@pytest.fixture
def real_app(fresh_database, settings, jobs):
    """An application of this test's own over a committed database, as in production."""
    app = create_app(settings, database=fresh_database.database, jobs=jobs)
    app.config.update(TEST_CONFIG)
    return app


@pytest.fixture
def app(lent, transaction):
    """With everything switched on as in production but CSRF."""
    return lent(transaction, limited=True, **TEST_CONFIG)
