"""Raw mail becomes the right event, whatever the sender's program or a stranger wrote."""

import datetime as dt
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.channels.base import AutoReply, Bounce, BounceAction, Complaint, OutcomeKind, Reply
from crm.channels.inbound import parse_email
from crm.channels.mail_parts import MAX_BYTES, InboundError

OURS = "<01941f297c0070008000000000000001@crm.example>"


def mail(text: str = "Va bene", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = headers.pop("From", "Anna Rossi <Anna.Rossi@cliente.example>")
    message["To"] = headers.pop("To", "vendite@studio.example")
    message["Subject"] = headers.pop("Subject", "Re: Prova")
    message["Message-ID"] = headers.pop("Message_ID", "<reply1@cliente.example>")
    message["Date"] = headers.pop("Date", "Mon, 23 Nov 2026 10:12:00 +0100")
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def parse(message: EmailMessage | bytes):
    return parse_email(message if isinstance(message, bytes) else message.as_bytes())


def test_a_reply_is_read_whole():
    reply = parse(
        mail(
            "Va bene\n\nOn 1 Jan, Giulia <g@x.it> wrote:\n> Ciao",
            In_Reply_To=OURS,
            References=f"<older@crm.example> {OURS}",
            To="Giulia <vendite+k3J9_tok@studio.example>, altro@x.it",
        )
    )
    assert type(reply) is Reply
    assert reply.event_id == "<reply1@cliente.example>"
    assert (reply.from_name, reply.from_address) == ("Anna Rossi", "anna.rossi@cliente.example")
    assert reply.text == "Va bene"
    assert "> Ciao" in reply.full_text
    assert reply.in_reply_to == OURS
    assert reply.references == ("<older@crm.example>", OURS)
    assert reply.token == "k3J9_tok"
    assert reply.to_addresses == ("vendite+k3j9_tok@studio.example", "altro@x.it")
    assert reply.occurred_at == dt.datetime(2026, 11, 23, 9, 12, tzinfo=dt.UTC)
    assert not reply.opt_out


def test_a_reply_in_html_alone_gives_text_and_harmless_html():
    message = mail()
    message.set_content("<p>Sì, <b>volentieri</b></p><script>x</script><img src='https://t.example/p.gif'>", "html")
    reply = parse(message)
    assert reply.text == "Sì, volentieri"
    assert "script" not in reply.html
    assert "t.example" not in reply.html


def test_files_and_inner_messages_are_attachments():
    message = mail()
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="../../perché.pdf")
    message.add_attachment("note", filename="note.txt")
    message.add_attachment(mail("inner"))
    reply = parse(message)
    assert reply.text == "Va bene"
    assert [file.filename for file in reply.attachments] == ["perché.pdf", "note.txt", "message.eml"]
    assert reply.attachments[0].content == b"%PDF"
    assert b"inner" in reply.attachments[2].content


@pytest.mark.parametrize(
    ("label", "data", "text"),
    [
        ("iso-8859-1", "perché no".encode(), "perché no"),
        ("us-ascii", "perché no".encode(), "perché no"),
        ("utf-8", "perché no".encode("cp1252"), "perché no"),
        ("windows-1252", "“sì” €".encode("cp1252"), "“sì” €"),
        ("x-nonsense", "perché".encode(), "perché"),
        ("utf-16", "perché".encode("utf-16"), "perché"),
        ("", "perché".encode(), "perché"),
    ],
)
def test_a_charset_that_lies_is_tolerated(label, data, text):
    raw = b"From: a@b.it\r\nContent-Type: text/plain; charset=" + label.encode() + b"\r\n\r\n" + data
    assert parse(raw).text.startswith(text[:5])
    assert parse(raw).text == text


@pytest.mark.parametrize(
    ("raw_subject", "subject"),
    [
        (b"=?utf-8?b?UGVyY2jDqQ==?=", "Perché"),
        (b"=?iso-8859-1?q?Perch=E9?= =?utf-8?q?_s=C3=AC?=", "Perché sì"),
        ("Perché".encode(), "Perché"),
        ("Perché".encode("cp1252"), "Perché"),
        (b"=?utf-8?b?!!!?=", "=?utf-8?b?!!!?="),
        (b"a\r\n b", "a b"),
        (b"=?utf-8?b?YQ0KQmNjOiB4?=", "a Bcc: x"),
    ],
)
def test_a_subject_is_one_clean_line(raw_subject, subject):
    assert parse(b"From: a@b.it\r\nSubject: " + raw_subject + b"\r\n\r\nx").subject == subject


@pytest.mark.parametrize(
    ("headers", "automatic"),
    [
        ({"Auto_Submitted": "auto-replied; owner=x"}, True),
        ({"Auto_Submitted": "no"}, False),
        ({"Precedence": "bulk"}, True),
        ({"X_Autoreply": "yes"}, True),
        ({"X_Auto_Response_Suppress": "All"}, True),
        ({"Return_Path": "<>"}, True),
        ({"Subject": "Risposta automatica: Prova"}, True),
        ({"Subject": "Fuori ufficio fino al 3"}, True),
        ({"Subject": "Re: la risposta automatica non va"}, False),
        ({}, False),
    ],
)
def test_an_automatic_answer_is_told_apart(headers, automatic):
    assert (type(parse(mail("Sono in ferie", **headers))) is AutoReply) is automatic


def test_stop_words_count_in_replies_only():
    assert parse(mail("STOP")).opt_out
    assert parse(mail("", Subject="unsubscribe")).opt_out
    assert not parse(mail("", Subject="Re: Prova")).opt_out
    assert not parse(mail("STOP", Auto_Submitted="auto-replied")).opt_out
    assert not parse(mail("Non stop, grazie")).opt_out


def report(*blocks: str, kind: str = "delivery-status", original: str = f"Message-ID: {OURS}\nSubject: Prova\n\nCiao"):
    status = "\n\n".join(blocks)
    return (
        "From: MAILER-DAEMON@mx.example\nTo: bounce+tok12@studio.example\nReturn-Path: <>\n"
        "Subject: Undelivered Mail\nMessage-ID: <dsn@mx.example>\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nSorry.\n"
        f"--b\nContent-Type: message/{kind}\n\n{status}\n\n"
        f"--b\nContent-Type: message/rfc822\n\n{original}\n--b--\n"
    ).encode()


@pytest.mark.parametrize(
    ("action", "status", "diagnosis", "outcome"),
    [
        ("failed", "5.1.1", "smtp; 550 5.1.1 unknown", OutcomeKind.PERMANENT),
        ("failed", "5.0.0", "smtp; 550 5.7.1 refused", OutcomeKind.POLICY),
        ("failed", "5.2.2", "smtp; 552 full", OutcomeKind.RETRY_LATER),
        ("failed", "4.4.7", "smtp; 451 expired", OutcomeKind.RETRY_LATER),
        ("failed", "5.7.26", "smtp; 550", OutcomeKind.AUTH),
        ("failed", "nonsense", "smtp; nothing", OutcomeKind.PERMANENT),
        ("delayed", "4.4.1", "smtp; 451", OutcomeKind.RETRY_LATER),
        ("delivered", "2.0.0", "smtp; 250", OutcomeKind.ACCEPTED),
    ],
)
def test_a_delivery_report_is_read(action, status, diagnosis, outcome):
    bounce = parse(
        report(
            "Reporting-MTA: dns; mx.example",
            f"Final-Recipient: rfc822; Anna@cliente.example\nAction: {action}\nStatus: {status}\n"
            f"Diagnostic-Code: {diagnosis}",
        )
    )
    assert type(bounce) is Bounce
    (recipient,) = bounce.recipients
    assert (recipient.address, recipient.action, recipient.outcome) == ("anna@cliente.example", action, outcome)
    assert bounce.original_reference == OURS
    assert bounce.token == "tok12"


def test_the_original_recipient_wins_over_the_final_one():
    block = (
        "Original-Recipient: rfc822;anna@cliente.example\nFinal-Recipient: rfc822;x@elsewhere.example\n"
        "Action: failed\nStatus: 5.1.1"
    )
    assert parse(report("Reporting-MTA: dns; m", block)).recipients[0].address == "anna@cliente.example"


def test_a_newer_report_type_and_bare_headers_are_read_as_well():
    raw = report("Reporting-MTA: dns; m", "Final-Recipient: rfc822;a@b.it\nAction: failed\nStatus: 5.1.1")
    raw = raw.replace(b"Content-Type: message/delivery-status", b"Content-Type: message/global-delivery-status")
    raw = raw.replace(b"Content-Type: message/rfc822", b"Content-Type: text/rfc822-headers")
    bounce = parse(raw)
    assert bounce.recipients[0].outcome is OutcomeKind.PERMANENT
    assert bounce.original_reference == OURS


@pytest.mark.parametrize(
    ("text", "headers", "address", "action", "outcome"),
    [
        (
            f"<anna@cliente.example>: mx said: 550 5.1.1\n\n--- A copy of the message.\nMessage-ID: {OURS}\nTo: b@x.it",
            {},
            "anna@cliente.example",
            BounceAction.FAILED,
            OutcomeKind.PERMANENT,
        ),
        (
            f"Casella piena 552 5.2.2\n\nMessage-ID: {OURS}",
            {"X_Failed_Recipients": "anna@cliente.example"},
            "anna@cliente.example",
            BounceAction.FAILED,
            OutcomeKind.RETRY_LATER,
        ),
        (
            f"Still trying anna@cliente.example\n> Message-ID: {OURS}",
            {"Subject": "Delivery status: delayed"},
            "anna@cliente.example",
            BounceAction.DELAYED,
            OutcomeKind.RETRY_LATER,
        ),
    ],
)
def test_an_imitation_of_a_report_is_read(text, headers, address, action, outcome):
    fields = {"From": "MAILER-DAEMON@mx.example", "Subject": "failure notice", **headers}
    bounce = parse(mail(text, **fields))
    assert type(bounce) is Bounce
    (recipient,) = bounce.recipients
    assert (recipient.address, recipient.action, recipient.outcome) == (address, action, outcome)
    assert bounce.original_reference == OURS


def test_a_person_writing_about_a_failure_is_a_reply():
    assert type(parse(mail("perché?", Subject="Re: mancato recapito"))) is Reply


def test_a_complaint_is_read():
    complaint = parse(
        report(
            "Feedback-Type: abuse\nUser-Agent: x\nVersion: 1\nOriginal-Rcpt-To: <Anna@cliente.example>",
            kind="feedback-report",
        )
    )
    assert type(complaint) is Complaint
    assert complaint.feedback_type == "abuse"
    assert complaint.original_reference == OURS
    assert complaint.original_recipient == "anna@cliente.example"


def test_ten_thousand_recipients_are_fine():
    everybody = ",\r\n ".join(f"Persona {n} <p{n}@cliente.example>" for n in range(10_000))
    raw = f"From: a@b.it\r\nTo: {everybody}\r\nSubject: x\r\n\r\nciao".encode()
    reply = parse(raw)
    assert len(reply.to_addresses) == 10_000
    blocks = [f"Final-Recipient: rfc822;p{n}@x.it\nAction: failed\nStatus: 5.1.1" for n in range(10_000)]
    assert len(parse(report("Reporting-MTA: dns; m", *blocks)).recipients) == 10_000


def test_a_twenty_megabyte_mail_is_read():
    message = mail()
    content = bytes(range(256)) * 40_000
    message.add_attachment(content, maintype="application", subtype="zip", filename="a.zip")
    assert parse(message).attachments[0].content == content


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"a" * (MAX_BYTES + 1), "too_big"),
        (b"\n" * 2_000_000, "too_many_lines"),
        (b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(200)), "too_nested"),
        (b"Content-Type: text/plain; " + b'a=";' * 20_000 + b"\n\nx", "header_too_long"),
        (b"X-A: " + b"b" * 5_000_000 + b"\n\nx", "header_too_long"),
    ],
)
def test_what_would_cost_too_much_is_refused_with_a_code(raw, code):
    with pytest.raises(InboundError) as caught:
        parse(raw)
    assert caught.value.code == code


def test_a_mail_without_an_id_is_named_by_its_bytes():
    one, two = parse(b"From: a@b.it\n\nx"), parse(b"From: a@b.it\n\ny")
    assert one.event_id.startswith("sha256:")
    assert one.event_id != two.event_id


PIECES = st.sampled_from(
    [
        b"From: a@b.it\r\n",
        b"From: =?utf-8?q?=?= <\r\n",
        b"To: ",
        b"Date: Mon, 99 Foo 99999 99:99\r\n",
        b"Date: Mon, 1 Jan 0001 00:00:00 +2400\r\n",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: message/delivery-status\r\n",
        b"Content-Type: message/feedback-report\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/html; charset=utf-7\r\n",
        b"Content-Type: text/plain; charset=\xff\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: uuencode\r\n",
        b"Content-Disposition: attachment; filename*0*=utf-8''%FF; filename*1=\r\n",
        b'Content-Disposition: attachment; filename="=?utf-8?b?!?="\r\n',
        b"Message-ID: <x@y>\r\n",
        b"Final-Recipient: rfc822;a@b.it\r\nAction: failed\r\n",
        b"\r\n",
        b"--b\r\n",
        b"--b--\r\n",
        b"=?iso-2022-jp?b?/////?=",
        b"Il giorno 1 a@b.it ha scritto:\r\n> x\r\n",
    ]
)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=30)), max_size=25))
def test_any_bytes_are_an_event_or_refused(pieces):
    try:
        event = parse_email(b"".join(pieces))
    except InboundError:
        return
    assert event.event_id
    if isinstance(event, Reply):
        assert "\n" not in event.subject + event.from_name + event.from_address
        assert all("/" not in file.filename for file in event.attachments)
