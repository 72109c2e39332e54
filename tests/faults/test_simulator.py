"""The mail server that misbehaves: each behaviour is what a real client meets, and the journal tells of it."""

import contextlib
import smtplib
import ssl

import pytest

from crm.chaos.certificates import self_signed
from crm.chaos.servers import MailServer, mail_server
from crm.chaos.simulator import STAGES, Script

MAIL = "Message-ID: <one@example.com>\r\nSubject: Ciao\r\n\r\nSolo per te.\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(self_signed())
    return path


def sent(mail: MailServer, certificate) -> str:
    """Hand one message over as anybody would; "ok", or the name of the error."""
    client = smtplib.SMTP(timeout=0.5)
    # The name that the certificate is checked against.
    client._host = "127.0.0.1"
    try:
        if client.connect("127.0.0.1", mail.port)[0] != 220:
            return "refused"
        client.starttls(context=ssl.create_default_context(cafile=str(certificate)))
        client.login("sales", "password")
        client.sendmail("a@example.com", ["b@example.com"], MAIL)
    except (smtplib.SMTPException, OSError) as error:
        return type(error).__name__
    finally:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            client.close()
    return "ok"


def test_without_a_script_it_takes_messages_and_writes_them_down(tmp_path, certificate):
    with mail_server(tmp_path, certificate=str(certificate)) as mail:
        assert sent(mail, certificate) == "ok"
    [entry] = mail.taken()
    assert (entry["reference"], entry["recipient"], entry["subject"]) == ("<one@example.com>", "b@example.com", "Ciao")
    assert (entry["answer"], entry["taken"], mail.faults()) == ("250", True, [])


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("rule", "taken"),
    [({"do": "drop"}, False), ({"do": "reply", "code": 554}, False), ({"do": "hang"}, True)],
    ids=["drop", "reply", "hang"],
)
def test_it_misbehaves_at_every_stage_and_only_there(tmp_path, certificate, stage, rule, taken):
    rules = [{"stage": stage, "numbers": [1], **rule}]
    with mail_server(tmp_path, certificate=str(certificate), rules=rules) as mail:
        assert sent(mail, certificate) != "ok"
        [fault] = mail.faults()
        assert (fault["fault"], fault["stage"]) == (rule["do"], stage)
        entries = mail.entries()
        assert [entry["taken"] for entry in entries] == ([taken] if stage == "final" else [])
        assert sent(mail, certificate) == "ok", "the second one is served"


def test_it_can_take_a_message_and_say_nothing(tmp_path, certificate):
    rules = [{"stage": "final", "do": "swallow", "numbers": [1]}]
    with mail_server(tmp_path, certificate=str(certificate), rules=rules) as mail:
        assert sent(mail, certificate) != "ok"
    [entry] = mail.taken()
    assert entry["answer"] == ""


def test_chance_falls_the_same_way_for_the_same_seed():
    rules = '"rules": [{"stage": "rcpt", "do": "drop", "chance": 0.5}]'

    def falls(seed: int) -> list[bool]:
        script = Script.read(f'{{"seed": {seed}, {rules}}}')
        return [script.rule("rcpt", number) is not None for number in range(40)]

    assert falls(1) == falls(1)
    assert falls(1) != falls(2)
    assert 5 < sum(falls(1)) < 35


@pytest.mark.parametrize("rule", ['{"stage": "rcptt", "do": "drop"}', '{"stage": "rcpt", "do": "dorp"}'])
def test_a_typing_error_in_a_script_is_an_error(rule):
    with pytest.raises(ValueError, match="no such rule"):
        Script.read(f'{{"rules": [{rule}]}}')
