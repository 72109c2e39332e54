"""Mail through real servers and back: Postfix takes and delivers it, Dovecot keeps it, our own pipeline reads it."""

from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage

import pytest
from conftest import make_house
from factories import outreach
from mailboxes import MARKED, PASSWORD
from postfix import CLIENT, HOUSE, PostOffice
from sqlalchemy import select

from crm.channels.base import Outcome, OutcomeKind
from crm.contacts.kinds import HandleState
from crm.contacts.models import Handle
from crm.db import database_now
from crm.interactions.models import Interaction
from crm.outreach import adapters, readback, runner, services
from crm.outreach.kinds import ConversationState, DeliveryState, MessageState
from crm.outreach.models import Conversation, Message, SenderAccount
from crm.outreach.services import readback as looks
from crm.outreach.services.receive import receive

ANNA, SALES = f"anna@{CLIENT}", f"vendite@{HOUSE}"


class Mailing:
    """A committed house that writes through Postfix, signed in, and reads its mailbox at Dovecot."""

    def __init__(self, database, office: PostOffice) -> None:
        self.database, self.office = database, office
        with database.scope() as session:
            house = make_house(session, name="Lanterna Dati")
            self.actor, self.workspace_id = house.actor, house.workspace.id
            now = database_now(session)
            account = outreach.account(
                session,
                house.actor,
                address=SALES,
                port=office.port,
                security="starttls",
                username=SALES,
                imap_host="127.0.0.1",
                imap_port=office.mailboxes.tls_port,
                plus_address=True,
                now=now,
            )
            services.set_secret(session, house.actor, account_id=account.id, secret={"secret": PASSWORD})
            self.account_id = account.id

    def scope(self):
        return self.database.scope(self.workspace_id)

    def send(self, address: str, *, subject: str = "Listino") -> Message:
        """Write to a new person and let the sender run; the message afterwards."""
        with self.scope() as session:
            now = database_now(session)
            person = outreach.person(session, self.actor, f"P {address}", email=address, now=now)
            message = outreach.message(session, self.actor, person, subject=subject, send_at=now, now=now)
        runner.run(
            self.database,
            workspace_id=self.workspace_id,
            account_id=self.account_id,
            lease=timedelta(seconds=60),
            seconds=20,
        )
        return self.now_of(message)

    def now_of(self, message: Message) -> Message:
        with self.scope() as session:
            return session.get_one(Message, message.id)

    def read(self, holding: bytes) -> Message | None:
        """What our own mailbox holds, taken in as any mail is."""
        raw = self.office.wait_for(SALES, holding=holding)
        with self.scope() as session:
            return receive(session, session.get_one(SenderAccount, self.account_id), raw, database_now(session))


@pytest.fixture
def mailing(fresh_database, post_office, monkeypatch, tmp_path, settings):
    open_settings = settings.model_copy(update={"net_allow": ("127.0.0.1",)})
    monkeypatch.setattr(adapters, "current", lambda: open_settings)
    monkeypatch.setenv("SSL_CERT_FILE", str(post_office.mailboxes.certificate))
    monkeypatch.setattr(runner.handover, "MEMORY", tmp_path)
    runner.handover.attend()
    yield Mailing(fresh_database.database, post_office)
    runner.close_lines()


def answer(received: bytes, text: str, *, subject: str = "", **headers: str) -> EmailMessage:
    """What a mail program makes of "Reply": to the Reply-To, with the thread named."""
    asked = message_from_bytes(received)
    message = EmailMessage()
    message["From"], message["To"] = f"Anna Rossi <{ANNA}>", asked["Reply-To"]
    message["Subject"] = subject or f"Re: {asked['Subject']}"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def test_a_message_leaves_signed_in_and_the_answer_comes_back_to_its_thread(mailing):
    sent = mailing.send(ANNA)
    assert sent.state == MessageState.SENT
    received = mailing.office.wait_for(ANNA, holding=sent.reference.encode())
    assert b"with ESMTPSA" in received
    reply = answer(received, "Volentieri, quando?", In_Reply_To=sent.reference, Message_ID="<r1@cliente.example>")
    mailing.office.hand_in(ANNA, reply["To"], reply.as_bytes())
    heard = mailing.read(b"<r1@cliente.example>")
    assert (heard.conversation_id, heard.in_reply_to_id) == (sent.conversation_id, sent.id)
    # A program that names no thread is known by the address that the answer went to.
    bare = answer(received, "Ancora una cosa.", subject="altro", Message_ID="<r2@cliente.example>")
    mailing.office.hand_in(ANNA, bare["To"], bare.as_bytes())
    again = mailing.read(b"<r2@cliente.example>")
    assert (again.conversation_id, again.in_reply_to_id) == (sent.conversation_id, sent.id)
    with mailing.scope() as session:
        assert session.get_one(Conversation, sent.conversation_id).state == ConversationState.OPEN


def test_our_answer_names_the_whole_thread_in_a_mail_that_programs_file_below_it(mailing):
    sent = mailing.send(ANNA)
    received = mailing.office.wait_for(ANNA, holding=sent.reference.encode())
    reply = answer(received, "Quanto costa?", In_Reply_To=sent.reference, Message_ID="<r3@cliente.example>")
    mailing.office.hand_in(ANNA, reply["To"], reply.as_bytes())
    mailing.read(b"<r3@cliente.example>")
    with mailing.scope() as session:
        now = database_now(session)
        ours = services.reply(
            session, mailing.actor, conversation_id=sent.conversation_id, body="Dieci.", send_at=now, now=now
        )
    runner.run(
        mailing.database,
        workspace_id=mailing.workspace_id,
        account_id=mailing.account_id,
        lease=timedelta(seconds=60),
        seconds=20,
    )
    second = message_from_bytes(mailing.office.wait_for(ANNA, holding=f"Message-ID: {ours.reference}".encode()))
    assert second["In-Reply-To"] == "<r3@cliente.example>"
    assert second["References"].split() == [sent.reference, "<r3@cliente.example>"]
    assert second["Subject"] == "Re: Listino"


def test_a_real_bounce_marks_the_address(mailing):
    sent = mailing.send(f"nessuno@{CLIENT}")
    assert sent.state == MessageState.SENT
    assert mailing.read(f"Message-ID: {sent.reference}".encode()) is None
    assert mailing.now_of(sent).delivery == DeliveryState.BOUNCED
    with mailing.scope() as session:
        assert session.get_one(Handle, sent.handle_id).state == HandleState.BOUNCED


def test_an_out_of_office_note_is_no_answer(mailing):
    sent = mailing.send(ANNA)
    received = mailing.office.wait_for(ANNA, holding=sent.reference.encode())
    note = answer(
        received,
        "Sono in ferie fino a lunedì.",
        subject="Risposta automatica: Listino",
        In_Reply_To=sent.reference,
        Message_ID=f"<away-{sent.id.hex}@cliente.example>",
        Auto_Submitted="auto-replied (vacation)",
        Precedence="bulk",
    )
    mailing.office.hand_in(ANNA, note["To"], note.as_bytes())
    heard = mailing.read(f"<away-{sent.id.hex}@".encode())
    with mailing.scope() as session:
        assert session.get_one(Conversation, heard.conversation_id).state == ConversationState.WAITING
        entry = session.scalars(select(Interaction).where(Interaction.source_id == heard.id)).one()
        assert entry.is_automatic


def test_a_copy_in_the_folder_of_sent_mail_settles_what_nobody_knew(mailing, monkeypatch):
    class Silent:
        """Hands over, and loses the answer."""

        def __init__(self, adapter) -> None:
            self._adapter = adapter

        def __getattr__(self, name):
            return getattr(self._adapter, name)

        def send(self, outbound) -> Outcome:
            assert self._adapter.send(outbound).kind is OutcomeKind.ACCEPTED
            return Outcome(kind=OutcomeKind.UNKNOWN, code="final_timeout")

    real = runner.connect
    monkeypatch.setattr(runner, "connect", lambda spec: Silent(real(spec)))
    sent = mailing.send(ANNA)
    assert sent.state == MessageState.UNCERTAIN
    mailing.office.wait_for(ANNA, holding=sent.reference.encode())
    mailing.office.mailboxes.make_folder(SALES, MARKED)
    mailing.office.mailboxes.file(SALES, MARKED, sent.reference)
    # The first look is due some minutes after the try.
    monkeypatch.setattr(looks, "PAUSES", (timedelta(0),))
    report = readback.run(mailing.database, workspace_id=mailing.workspace_id, account_id=mailing.account_id)
    assert (report.looked, report.settled) == (1, 1)
    assert mailing.now_of(sent).state == MessageState.SENT
