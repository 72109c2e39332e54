"""Mails as real servers and people's programs write them, read from files."""

from pathlib import Path

import pytest

from crm.channels.base import AutoReply, Bounce, BounceAction, Complaint, OutcomeKind
from crm.channels.inbound import parse_email
from crm.channels.mail_parts import fingerprint

MAILS = Path(__file__).parent / "mails"
OURS = "<019b0000-7c00-7000-8000-000000000001@crm.example>"
FAILED, DELAYED = BounceAction.FAILED, BounceAction.DELAYED


def read(name: str):
    return parse_email((MAILS / f"{name}.eml").read_bytes())


@pytest.mark.parametrize(
    ("name", "action", "outcome"),
    [
        ("qmail_no_mailbox", FAILED, OutcomeKind.PERMANENT),
        ("exim_unrouteable", FAILED, OutcomeKind.PERMANENT),
        ("exim_still_trying", DELAYED, OutcomeKind.RETRY_LATER),
        ("exchange_undeliverable", FAILED, OutcomeKind.PERMANENT),
        ("italian_full_mailbox", FAILED, OutcomeKind.RETRY_LATER),
        ("italian_unknown_user", FAILED, OutcomeKind.PERMANENT),
        ("pec_not_delivered", FAILED, OutcomeKind.PERMANENT),
        ("pec_delivered", BounceAction.DELIVERED, OutcomeKind.ACCEPTED),
        ("pec_accepted", BounceAction.RELAYED, OutcomeKind.ACCEPTED),
    ],
)
def test_a_report_names_the_person_the_message_and_what_it_means(name, action, outcome):
    found = read(name)
    assert type(found) is Bounce
    (recipient,) = found.recipients
    assert (recipient.address, recipient.action, recipient.outcome) == ("anna@cliente.example", action, outcome)
    assert found.token == "tok12"
    # Exim's warnings quote nothing: only the token leads them back.
    assert found.original_reference == (None if name == "exim_still_trying" else OURS)


@pytest.mark.parametrize("name", ["vacation_gmail_it", "vacation_outlook_it", "vacation_bare_it"])
def test_an_italian_note_of_absence_is_no_reply_and_no_stop_word(name):
    found = read(name)
    assert type(found) is AutoReply
    assert (found.in_reply_to, found.opt_out) == (OURS, False)


def test_a_feedback_report_names_the_message_and_the_person():
    found = read("complaint_arf")
    assert type(found) is Complaint
    assert (found.original_reference, found.original_recipient) == (OURS, "anna@cliente.example")


def test_a_report_that_was_cut_off_is_still_one_and_led_back_by_its_token():
    found = read("bounce_cut_off")
    assert type(found) is Bounce
    assert (found.recipients, found.original_reference, found.token) == ((), None, "tok12")


def test_every_file_is_read_by_a_test():
    assert len(list(MAILS.glob("*.eml"))) == 14


MAIL = b"Message-ID: <1@x.example>\r\nFrom: a@x.example\r\nDate: Mon, 23 Nov 2026 12:00:00 +0100\r\n\r\nCiao\r\n"


def test_a_mail_that_came_by_two_ways_has_one_name():
    assert fingerprint(b"Received: from a\r\nDelivered-To: x@y.example\r\n" + MAIL) == fingerprint(MAIL)
    assert fingerprint(b"Received: from b\r\n" + MAIL) == fingerprint(MAIL)


@pytest.mark.parametrize("change", [(b"a@x", b"b@x"), (b"Ciao", b"Ciao!"), (b"<1@", b"<2@"), (b"12:00", b"12:01")])
def test_a_mail_that_borrows_another_one_s_id_has_a_name_of_its_own(change):
    assert fingerprint(MAIL.replace(*change)) != fingerprint(MAIL)


@pytest.mark.parametrize("raw", [b"", b"no head at all", b"\xff\xfe: \xff\r\n\r\n\xff", b"From: =?bad?q?=ff?=\r\n\r\n"])
def test_any_bytes_have_a_name(raw):
    assert fingerprint(raw) == fingerprint(raw)
    assert fingerprint(raw) != fingerprint(raw + b"x")
