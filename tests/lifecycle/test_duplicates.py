"""Duplicates: who may be there twice, why, and who never is."""

import pytest
from factories import contacts as make

from crm.accounts.kinds import ActorKind, Role
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.contacts import services
from crm.contacts.queries import ContactNotFoundError
from crm.errors import ConflictError, ForbiddenError
from crm.lifecycle.queries import duplicates as queries
from crm.lifecycle.rules.duplicates import Sign
from crm.lifecycle.services import merging
from crm.lifecycle.services.duplicates import dismiss

NOW = make.NOW


def signs(session, actor, person):
    return [(pair.two.id, pair.sign) for pair in queries.duplicates_of(session, actor, contact_id=person.id)]


def test_the_same_name_in_the_same_company_is_a_sign(session, actor):
    company = make.company(session, actor)
    one, two = (make.contact(session, actor, "Anna Rossi", company_id=company.id) for _ in range(2))
    make.contact(session, actor, "Anna Rossi")
    make.contact(session, actor, "Ugo Rossi", company_id=company.id)
    assert signs(session, actor, one) == [(two.id, Sign.NAME_AND_COMPANY)]


@pytest.mark.parametrize("other", ["A. Rossi", "Anna Rosi", "Rossi Anna", "Anna Maria Rossi"])
def test_a_similar_name_at_the_same_mail_domain_is_a_sign(session, actor, other):
    one = make.contact(session, actor, "Anna Rossi", email="anna@bottega.example.com")
    two = make.contact(session, actor, other, email="rossi@bottega.example.com")
    assert signs(session, actor, one) == [(two.id, Sign.NAME_AND_DOMAIN)]
    assert signs(session, actor, two) == [(one.id, Sign.NAME_AND_DOMAIN)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("Anna Rossi", "anna@gmail.com"), ("Anna Rossi", "a.rossi@gmail.com")),
        (("Anna Rossi", "info@bottega.example.com"), ("Anna Rosi", "anna@bottega.example.com")),
        (("Anna Rossi", "anna@bottega.example.com"), ("Ugo Verdi", "ugo@bottega.example.com")),
        (("Anna Rossi", "anna@bottega.example.com"), ("Anna Rossi", "anna@altra.example.com")),
        (("", "one@bottega.example.com"), ("", "two@bottega.example.com")),
    ],
)
def test_strangers_are_no_duplicates(session, actor, first, second):
    one, _two = (make.contact(session, actor, name, email=email) for name, email in (first, second))
    assert signs(session, actor, one) == []


def test_the_same_number_on_another_channel_is_a_sign(session, actor):
    one, two = make.contact(session, actor, "Anna"), make.contact(session, actor, "Somebody")
    make.handle(session, actor, one.id, channel=ChannelKind.PHONE, address="347 123 4567")
    make.handle(session, actor, two.id, channel=ChannelKind.WHATSAPP, address="+39 347 1234567")
    assert signs(session, actor, one) == [(two.id, Sign.SAME_PHONE)]


@pytest.mark.parametrize(("address", "expected"), [("anna@example.com", 1), ("info@example.com", 0)])
def test_an_address_that_somebody_had_before_is_a_sign_unless_an_office_reads_it(session, actor, address, expected):
    one, two = make.contact(session, actor, "Anna"), make.contact(session, actor, "Somebody")
    given = make.handle(session, actor, one.id, address=address)
    services.remove_handle(session, actor, handle_id=given.id, now=NOW)
    make.handle(session, actor, two.id, address=address)
    assert len(signs(session, actor, one)) == expected


def test_what_somebody_said_is_remembered_from_both_ends(session, actor):
    company = make.company(session, actor)
    one, two = (make.contact(session, actor, "Anna Rossi", company_id=company.id) for _ in range(2))
    dismiss(session, actor, contact_id=two.id, other_id=one.id, now=NOW)
    dismiss(session, actor, contact_id=two.id, other_id=one.id, now=NOW)
    assert signs(session, actor, one) == signs(session, actor, two) == []
    with pytest.raises(ConflictError):
        dismiss(session, actor, contact_id=one.id, other_id=one.id, now=NOW)


def test_who_went_up_in_somebody_is_no_duplicate_any_more(session, actor):
    company = make.company(session, actor)
    one, two = (make.contact(session, actor, "Anna Rossi", company_id=company.id) for _ in range(2))
    merging.merge(session, actor, kept_id=one.id, other_id=two.id, now=NOW)
    assert signs(session, actor, one) == []
    assert queries.duplicates(session, actor).items == []


def test_who_may_not_see_one_of_them_learns_nothing(session, actor):
    company = make.company(session, actor)
    one, two = (make.contact(session, actor, "Anna Rossi", company_id=company.id) for _ in range(2))
    two.restricted, two.owner_id = True, None
    session.flush()
    sales = Actor(workspace_id=actor.workspace_id, kind=ActorKind.USER, role=Role.SALES, user_id=actor.user_id)
    assert signs(session, sales, one) == []
    assert queries.duplicates(session, sales).items == []
    with pytest.raises(ContactNotFoundError):
        dismiss(session, sales, contact_id=one.id, other_id=two.id, now=NOW)
    viewer = Actor(workspace_id=actor.workspace_id, kind=ActorKind.USER, role=Role.VIEWER, user_id=actor.user_id)
    with pytest.raises(ForbiddenError):
        dismiss(session, viewer, contact_id=one.id, other_id=two.id, now=NOW)


def test_pages_hold_every_pair_once(session, actor, monkeypatch):
    monkeypatch.setattr(queries, "CHUNK", 3)
    company = make.company(session, actor)
    for number in range(5):
        for _ in range(2):
            make.contact(session, actor, f"Anna Nr{number}", company_id=company.id)
    found, after = [], None
    while True:
        page = queries.duplicates(session, actor, after=after, limit=2)
        found += [(pair.one.id, pair.two.id) for pair in page.items]
        after = page.next
        if after is None:
            break
    assert len(found) == len(set(found)) == 5
