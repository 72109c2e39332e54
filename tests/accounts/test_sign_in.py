"""Signing in and out, and what the door lets through."""

import pytest
from factories import accounts as factory
from sqlalchemy import select

from crm.accounts.credentials import Passwords
from crm.accounts.models import AuditEntry, UserSession
from crm.accounts.signin import is_local


def test_the_right_password_opens_the_house(anonymous, person, sign_in):
    answer = sign_in(anonymous, "Luca@Example.com")

    assert answer.status_code == 302
    assert answer.headers["Location"] == "/"
    assert anonymous.get("/settings/profile").status_code == 200


def test_the_way_back_leads_where_one_wanted_to_go(anonymous, person, sign_in):
    refused = anonymous.get("/settings/people?x=1")
    form = anonymous.get(refused.headers["Location"])
    answer = sign_in(anonymous, person.email, next="/settings/people?x=1")

    assert refused.status_code == 303
    assert refused.headers["Location"] == "/sign-in?next=/settings/people?x%3D1"
    assert 'value="/settings/people?x=1"' in form.text
    assert answer.headers["Location"] == "/settings/people?x=1"


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("luca@example.com", "wrong password"),
        ("nobody@example.com", factory.PASSWORD),
        ("not an address", factory.PASSWORD),
    ],
)
def test_a_refusal_says_the_same_to_everybody(anonymous, person, sign_in, email, password):
    answer = sign_in(anonymous, email, password)

    assert answer.status_code == 200
    assert "The e-mail address or the password is not right." in answer.text
    assert anonymous.get("/settings/profile").status_code == 303


def test_somebody_switched_off_gets_the_same_refusal(anonymous, session, person, sign_in):
    person.active = False
    session.flush()

    assert "The e-mail address or the password is not right." in sign_in(anonymous, person.email).text


def test_somebody_without_a_password_can_not_sign_in(anonymous, session, house, sign_in):
    row, *_ = factory.member(session, house, password=False)

    assert "is not right" in sign_in(anonymous, row.email, "").text or sign_in(anonymous, row.email).status_code == 200
    assert anonymous.get("/settings/profile").status_code == 303


def test_signing_out_ends_the_browser_for_good(anonymous, session, person, sign_in):
    sign_in(anonymous, person.email)
    with anonymous.session_transaction() as cookie:
        kept = dict(cookie)
    answer = anonymous.post("/sign-out")
    with anonymous.session_transaction() as cookie:
        cookie.update(kept)

    assert answer.headers["Location"] == "/sign-in"
    assert anonymous.get("/settings/profile").status_code == 303
    assert session.scalar(select(UserSession.ended_at).where(UserSession.user_id == person.id)) is not None


def test_a_password_hashed_at_another_cost_is_hashed_anew(anonymous, session, person, sign_in):
    person.password = Passwords("normal").new(factory.PASSWORD).hashed
    session.flush()
    before = person.password

    sign_in(anonymous, person.email)
    session.refresh(person)

    assert person.password != before
    assert Passwords("test").matches(factory.PASSWORD, person.password)


def test_refusals_and_successes_are_in_the_audit_log(anonymous, session, person, house, sign_in):
    sign_in(anonymous, person.email, "wrong password")
    sign_in(anonymous, person.email)

    actions = session.scalars(select(AuditEntry.action).where(AuditEntry.user_id == person.id)).all()
    assert sorted(actions) == ["sign_in.password_accepted", "sign_in.refused"]


def test_the_member_of_no_workspace_is_told_so(anonymous, session, house, sign_in):
    row = factory.user(session)
    sign_in(anonymous, row.email)

    answer = anonymous.get("/settings/profile")

    assert answer.status_code == 403
    assert "no workspace" in answer.text


def test_a_part_of_a_page_leads_the_whole_page_to_the_sign_in(anonymous, house):
    answer = anonymous.get("/notifications", headers={"HX-Request": "true"})

    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"] == "/sign-in"


def test_programs_get_a_problem_document_instead_of_a_page(anonymous, house):
    answer = anonymous.get("/api/v1/me")

    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/contacts?q=a", True),
        ("/", True),
        ("//evil.example", False),
        ("https://evil.example/", False),
        ("/\\evil.example", False),
        ("javascript:alert(1)", False),
        ("/a\r\nb", False),
        ("", False),
    ],
)
def test_only_paths_of_this_house_are_local(address, expected):
    assert is_local(address) is expected
