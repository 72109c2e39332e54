"""What the serialiser writes, a mail reader reads back unchanged."""

import datetime as dt
import email
import re
from dataclasses import replace
from email import policy
from email.header import decode_header, make_header
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.channels.base import Attachment, Outbound
from crm.channels.mime import MAX_LINE, MimeCode, MimeError, build

PLAIN = Outbound(
    message_id=UUID("01941f29-7c00-7000-8000-000000000001"),
    attempt_no=1,
    reference="<01941f297c0070008000000000000001@crm.example>",
    from_address="vendite@studio.example",
    to_address="anna.rossi@cliente.example",
    subject="Prova",
    text="Ciao Anna.\n",
    date=dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC),
)
UNSUBSCRIBE = "<https://crm.example/u/" + "t" * 200 + ">, <mailto:stop+" + "a" * 60 + "@crm.example>"

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
one_line = st.text(st.characters(codec="utf-8"), max_size=200).filter(lambda text: not CONTROL.search(text))
many_lines = st.text(
    st.one_of(st.characters(codec="utf-8", exclude_categories=["Cc"]), st.sampled_from("\n\r\t .=-_a")), max_size=600
)
local = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_{|}~-]{1,20}(\.[a-z0-9]{1,9})?", fullmatch=True)


def parse(raw: bytes):
    """Parse as a mail reader would, after checking what every transport demands of the bytes."""
    assert raw.endswith(b"\r\n")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert all(len(line) <= MAX_LINE for line in raw.split(b"\r\n"))
    assert raw.isascii()
    message = email.message_from_bytes(raw, policy=policy.default)
    for part in message.walk():
        assert part.defects == []
        assert [header.defects for header in part.values() if header.defects] == []
    return message


def mailbox(raw: bytes, header: str) -> tuple[str, str]:
    """Read name and address of a header that holds one mailbox.

    The new parser of Python 3.11 puts a space between adjacent encoded words of a name, against RFC 2047, 6.2, so
    names are joined by the older functions, which know the rule.
    """
    written = email.message_from_bytes(raw)[header]
    (parsed,) = email.message_from_bytes(raw, policy=policy.default)[header].addresses
    name = written.removesuffix(f"<{parsed.addr_spec}>").removesuffix(" ").removesuffix("\r\n")
    return ("" if written == parsed.addr_spec else str(make_header(decode_header(name)))), parsed.addr_spec


def unix(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") else text + "\n"


@given(subject=one_line, from_name=one_line, to_name=one_line, user=local)
def test_names_and_subject_come_back_equal(subject, from_name, to_name, user):
    raw = build(
        replace(PLAIN, subject=subject, from_name=from_name, to_name=to_name, to_address=f"{user}@cliente.example")
    )
    message = parse(raw)
    assert message["Subject"] == subject
    assert mailbox(raw, "From") == (from_name, "vendite@studio.example")
    assert mailbox(raw, "To") == (to_name, f"{user}@cliente.example")


@given(text=many_lines)
def test_a_text_body_comes_back_equal(text):
    message = parse(build(replace(PLAIN, text=text)))
    assert unix(message.get_content()) == unix(text)


@given(text=many_lines, html=many_lines)
@settings(max_examples=60)
def test_both_bodies_of_an_alternative_come_back_equal(text, html):
    message = parse(build(replace(PLAIN, text=text, html=html)))
    assert message.get_content_type() == "multipart/alternative"
    plain, rich = message.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    assert unix(plain.get_content()) == unix(text)
    assert unix(rich.get_content()) == unix(html)


@pytest.mark.parametrize("html", [None, "<p>Ciao</p>"])
@pytest.mark.parametrize("files", [(), (Attachment(filename="à.pdf", content_type="application/pdf", content=b"%P"),)])
def test_tokens_of_mail_programs_are_never_mangled(html, files):
    thread = tuple(f"<{'x' * 120}{number}@host.example>" for number in range(20))
    raw = build(
        replace(
            PLAIN,
            html=html,
            attachments=files,
            in_reply_to=thread[-1],
            references=thread,
            headers={"List-Unsubscribe": UNSUBSCRIBE, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
        )
    )
    message = parse(raw)
    assert message["Message-ID"] == PLAIN.reference
    assert message["In-Reply-To"] == thread[-1]
    assert message["References"].split() == list(thread)
    assert message["List-Unsubscribe"] == UNSUBSCRIBE
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"List-Unsubscribe: {UNSUBSCRIBE}\r\n".encode() in raw
    assert message["Date"].datetime == PLAIN.date


def test_files_come_back_with_name_type_and_bytes():
    content = bytes(range(256)) * 40
    file = Attachment(filename='perché "no" è così; lungo.pdf', content_type="application/pdf", content=content)
    outbound = replace(PLAIN, subject="Più", from_name="Zoë", text="è\n" * 3, html="<p>è</p>", attachments=(file,))
    message = parse(build(outbound))
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == file.filename
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_content() == content
    assert unix(message.get_body(("plain",)).get_content()) == "è\n" * 3
    assert unix(message.get_body(("html",)).get_content()) == "<p>è</p>\n"
    assert message["Subject"] == "Più"


@pytest.mark.parametrize("character", ["\r", "\n", "\x00", "\x0b", "\x1b", "\x7f", "\x85", "\u2028", "\u202e"])
@pytest.mark.parametrize("field", ["subject", "from_name", "to_name"])
def test_a_control_character_in_a_header_is_refused(field, character):
    value = f"a{character}Bcc: victim@example.org"
    with pytest.raises(MimeError) as caught:
        build(replace(PLAIN, **{field: value}))
    assert caught.value.code is MimeCode.CONTROL_CHARACTER


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "anna@",
        "@x.it",
        "a b@x.it",
        "a@x.it>,<b@x.it",
        "a@x.it\r\nBcc: b@x.it",
        "a@x.it\n",
        '"a"@x.it',
        "à@x.it",
        "a@caffè.it",
        "a..b@x.it",
        "a@-x.it",
        "a@[127.0.0.1]",
        "a" * 250 + "@x.it",
    ],
)
@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("to_address", MimeCode.TO_ADDRESS),
        ("from_address", MimeCode.FROM_ADDRESS),
        ("reply_to", MimeCode.REPLY_TO),
    ],
)
def test_an_address_that_is_not_plain_is_refused(field, code, address):
    with pytest.raises(MimeError) as caught:
        build(replace(PLAIN, **{field: address}))
    assert caught.value.code is code


@pytest.mark.parametrize(
    "headers",
    [
        {"Bcc": "x@y.it"},
        {"subject": "again"},
        {"Content-Type": "text/html"},
        {"X A": "b"},
        {"X-A": "b\r\nBcc: c@d.it"},
        {"X-A": "è"},
        {"X-A": ""},
        {"X-A:": "b"},
    ],
)
def test_a_header_that_could_break_the_message_is_refused(headers):
    with pytest.raises(MimeError) as caught:
        build(replace(PLAIN, headers=headers))
    assert caught.value.code is MimeCode.HEADER


@pytest.mark.parametrize("bad", ["", "x@y", "<a b@c>", "<a@b>\r\n", "<a@b><c@d>", "<à@b>"])
@pytest.mark.parametrize("field", ["reference", "in_reply_to"])
def test_an_id_that_is_not_one_token_is_refused(field, bad):
    with pytest.raises(MimeError) as caught:
        build(replace(PLAIN, **{field: bad}))
    assert caught.value.code is MimeCode.MESSAGE_ID


def test_half_a_character_is_refused_in_every_place():
    for field in ("subject", "text", "html", "to_name"):
        with pytest.raises(MimeError) as caught:
            build(replace(PLAIN, **{field: "\ud83d"}))
        assert caught.value.code is MimeCode.TEXT


def test_a_text_that_holds_the_boundary_does_not_end_its_part():
    mark = f"--=_{PLAIN.message_id.hex}"
    message = parse(build(replace(PLAIN, text=f"{mark}\n{mark}--\n", html="<p>x</p>")))
    plain, _ = message.iter_parts()
    assert unix(plain.get_content()) == f"{mark}\n{mark}--\n"


def test_the_same_message_gives_the_same_bytes():
    assert build(PLAIN) == build(replace(PLAIN))


@pytest.mark.parametrize(
    "file",
    [
        Attachment(filename="a\r\nb", content_type="text/plain", content=b""),
        Attachment(filename="", content_type="text/plain", content=b""),
        Attachment(filename="a", content_type="text/plain; x=y\r\n", content=b""),
        Attachment(filename="a", content_type="message/rfc822", content=b""),
    ],
)
def test_a_file_with_a_name_or_type_that_could_break_out_is_refused(file):
    with pytest.raises(MimeError) as caught:
        build(replace(PLAIN, attachments=(file,)))
    assert caught.value.code is MimeCode.ATTACHMENT


def test_a_date_without_a_zone_is_refused():
    with pytest.raises(MimeError) as caught:
        build(replace(PLAIN, date=dt.datetime(2026, 1, 1)))  # noqa: DTZ001 - the case under test
    assert caught.value.code is MimeCode.DATE
