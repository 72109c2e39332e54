"""Mail that somebody copies to their history address, as real programs write it."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from factories import outreach
from factories.contacts import contact
from sqlalchemy import func, select

from crm.consent.kinds import ConsentAction
from crm.consent.models import ConsentEvent, Suppression
from crm.contacts import queries as contacts
from crm.contacts import services
from crm.files.models import StoredFile
from crm.files.services import path_of
from crm.interactions import queries
from crm.interactions.models import Interaction
from crm.interactions.services import copies, notes
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.models import Conversation, Message
from crm.outreach.services import copies as record
from crm.outreach.services import receive

MAILS = Path(__file__).parents[1] / "channels" / "mails"


@pytest.fixture
def account(session, actor, now):
    return outreach.account(session, actor, address="sales@lanterna.example", now=now)


@pytest.fixture
def ann(session, actor):
    return contact(session, actor, "Ann Bo", email="ann@example.com")


@pytest.fixture
def address(session, actor, now):
    return f"history+{copies.renew_history_token(session, actor, now=now)}@lanterna.example"


def mail(sender, to, *, bcc="", cc="", text="Dear Ann", message_id="<1@elsewhere.example>"):
    written = EmailMessage()
    written["From"], written["To"], written["Subject"] = sender, to, "Offerta è pronta"
    if cc:
        written["Cc"] = cc
    if bcc:
        written["Delivered-To"] = bcc
    written["Message-ID"], written["Date"] = message_id, "Mon, 23 Nov 2026 08:00:00 +0100"
    written.set_content(text)
    return written.as_bytes()


def told(session, actor, person):
    items = queries.timeline(session, actor, contact_id=person.id).items
    return [(one.kind, one.direction, one.subject, one.body, one.author_id) for one in items]


def test_what_a_colleague_wrote_lands_on_each_known_recipient(session, house, actor, account, ann, address, now):
    bea = contact(session, actor, "Bea Sun", email="bea@example.com")
    raw = mail(
        f"Giulia <{house.user.email}>", "Ann <ann@example.com>, x@stranger.example", cc="BEA@example.com", bcc=address
    )
    receive(session, account, raw, now)
    expected = [("message.sent", "outbound", "Offerta è pronta", "Dear Ann", actor.user_id)]
    assert told(session, actor, ann) == told(session, actor, bea) == expected
    assert [row.address_norm for row in copies.unknown_correspondents(session, actor)] == ["x@stranger.example"]
    assert session.scalar(select(func.count()).select_from(Conversation)) == 0
    assert session.scalar(select(func.count()).select_from(InboundRaw)) == 1


def test_the_same_mail_twice_or_by_two_ways_is_logged_once(session, house, actor, account, ann, address, now):
    raw = mail(house.user.email, "ann@example.com", bcc=address)
    receive(session, account, raw, now)
    receive(session, account, raw, now)
    receive(session, account, b"Received: from somewhere\r\n" + raw.replace(b"Dear", b"Dear "), now)
    assert len(told(session, actor, ann)) == 1


def test_a_mail_of_a_known_person_that_is_redirected_lands_as_received(session, actor, account, ann, address, now):
    raw = mail(
        "Ann Bo <Ann@example.com>", "giulia@private.example", bcc=address, text="Yes\n\nOn Monday you wrote:\n> x"
    )
    receive(session, account, raw, now)
    assert [(one[0], one[1]) for one in told(session, actor, ann)] == [("message.received", "inbound")]
    assert session.scalar(select(func.count()).select_from(Message)) == 0
    receive(session, account, mail("Ann Bo <ann@example.com>", account.address), now)
    assert len(told(session, actor, ann)) == 1


def test_what_this_program_sent_itself_is_not_doubled(session, house, actor, account, ann, address, now):
    sent = outreach.message(session, actor, ann.id, account_id=account.id, now=now)
    sent.reference = "<1@elsewhere.example>"
    session.flush()
    receive(session, account, mail(house.user.email, "ann@example.com", bcc=address), now)
    assert told(session, actor, ann) == []


def test_a_stranger_in_a_copy_is_listed_and_nobody_is_made(session, actor, account, address, now):
    from crm.contacts.models import Contact, Handle

    before = session.scalar(select(func.count()).select_from(Handle))
    for number in range(2):
        raw = mail("X <x@stranger.example>", "g@private.example", bcc=address, message_id=f"<{number}@s.example>")
        receive(session, account, raw, now)
    (row,) = copies.unknown_correspondents(session, actor)
    assert (row.address_norm, row.name, row.mails) == ("x@stranger.example", "X", 2)
    assert session.scalar(select(func.count()).select_from(Contact)) == 0
    assert session.scalar(select(func.count()).select_from(Handle)) == before
    assert session.scalar(select(func.count()).select_from(Interaction)) == 0


def test_an_old_address_takes_no_copies(session, house, actor, account, ann, address, now):
    copies.renew_history_token(session, actor, now=now)
    receive(session, account, mail(house.user.email, "ann@example.com", bcc=address), now)
    assert [one for one in told(session, actor, ann) if one[0] == "message.sent"] == []


def test_people_whom_the_colleague_may_not_see_get_nothing(session, house, actor, account, ann, address, now):
    from crm.accounts.kinds import Role
    from crm.accounts.models import Membership

    session.scalars(select(Membership).where(Membership.user_id == actor.user_id)).one().role = Role.TILL
    session.flush()
    receive(session, account, mail(house.user.email, "ann@example.com", bcc=address), now)
    assert session.scalar(select(func.count()).select_from(Interaction)) == 0
    assert copies.unknown_correspondents(session, actor) == []


@pytest.mark.parametrize("name", sorted(path.name for path in MAILS.glob("*.eml")))
def test_no_real_mail_breaks_on_a_history_address(session, account, address, now, name):
    raw = b"Delivered-To: " + address.encode() + b"\r\n" + (MAILS / name).read_bytes()
    receive(session, account, raw, now)
    assert session.scalars(select(InboundEvent.state)).all() == ["handled"]


def test_the_page_makes_shows_and_renews_the_address(client, session, actor, account):
    page = "/settings/history-address"
    assert "Make my address" in client.get(page).text
    client.post(f"{page}/renew")
    token = copies.history_token(session, actor)
    assert f"sales+{token}@lanterna.example" in client.get(page).text
    client.post(f"{page}/renew")
    assert token not in client.get(page).text
    assert client.post(f"{page}/forget").status_code == 303


@pytest.mark.parametrize("shown", ["to", "cc"])
def test_who_answers_to_the_history_address_openly_is_heard(session, actor, account, ann, address, now, shown):
    to, cc = (address, "") if shown == "to" else ("sales@lanterna.example", address)
    message = receive(session, account, mail("ann@example.com", to, cc=cc, text="STOP"), now)
    assert message is not None
    assert message.contact_id == ann.id
    found = session.scalars(select(ConsentEvent.action).where(ConsentEvent.contact_id == ann.id)).all()
    assert ConsentAction.WITHDRAWN in found


@pytest.mark.parametrize("words", ["STOP", "Ciao a tutti"])
def test_a_stranger_who_answers_openly_waits_with_their_words(session, actor, account, address, now, words):
    raw = mail("X <x@stranger.example>", "sales@lanterna.example", cc=address, text=words)
    message = receive(session, account, raw, now)
    assert message is not None
    (row,) = contacts.strangers(session, actor).items
    assert (row.address, row.display_name) == ("x@stranger.example", "X")
    assert [one.body for one in queries.timeline(session, actor, handle_id=row.id).items] == [words]
    is_suppressed = bool(session.scalars(select(Suppression.id)).all())
    assert is_suppressed == (words == "STOP")
    person = contact(session, actor, "Xenia")
    services.link_handle(session, actor, handle_id=row.id, contact_id=person.id, now=now)
    assert [one[3] for one in told(session, actor, person)] == [words]
    assert contacts.strangers(session, actor).items == []


def test_a_machine_of_a_stranger_is_no_word_to_us(session, actor, account, address, now):
    raw = b"Auto-Submitted: auto-replied\n" + mail("noreply@shop.example", address)
    assert receive(session, account, raw, now) is None
    assert contacts.strangers(session, actor).items == []


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(record, "files_folder", lambda: tmp_path)
    return tmp_path


def with_files(raw, *files):
    found = message_from_bytes(raw, policy=policy.default)
    for name, content, inline in files:
        kind = "png" if inline else "pdf"
        main = "image" if inline else "application"
        found.add_attachment(
            content, main, kind, filename=name, disposition="inline" if inline else "attachment", cid=inline or None
        )
    return found.as_bytes()


def files_of(session, actor, person):
    return [file.name for one in queries.timeline(session, actor, contact_id=person.id).items for file in one.files]


def test_files_of_a_copied_mail_lie_beside_each_entry_once(session, house, actor, account, ann, address, now, folder):
    bea = contact(session, actor, "Bea Sun", email="bea@example.com")
    plain = mail(house.user.email, "ann@example.com, bea@example.com", bcc=address)
    raw = with_files(plain, ("Offerta è.pdf", b"%PDF", ""), ("../../x.pdf", b"%PDF2", ""), ("logo.png", b"x", "<a@b>"))
    receive(session, account, raw, now)
    receive(session, account, b"Received: again\r\n" + raw.replace(b"Dear", b"Dear "), now)
    assert files_of(session, actor, ann) == files_of(session, actor, bea) == ["Offerta è.pdf", "x.pdf"]
    held = session.scalars(select(StoredFile).where(StoredFile.name == "Offerta è.pdf")).all()
    assert len(held) == 2
    assert {path_of(folder, row.id).read_bytes() for row in held} == {b"%PDF"}
    assert {row.created_by_id for row in held} == {actor.user_id}


@pytest.mark.usefixtures("folder")
def test_files_beyond_the_limits_stay_in_the_mail(session, house, actor, account, ann, address, now, monkeypatch):
    monkeypatch.setattr(notes, "MAX_COPIED", 10)
    monkeypatch.setattr(notes, "MOST_COPIED", 12)
    monkeypatch.setattr(notes, "MAX_FILES", 3)
    names = [("1.pdf", b"x" * 8, ""), ("2.pdf", b"x" * 11, ""), ("3.pdf", b"x" * 6, ""), ("4.pdf", b"x", "")]
    receive(session, account, with_files(mail(house.user.email, "ann@example.com", bcc=address), *names), now)
    assert files_of(session, actor, ann) == ["1.pdf"]
