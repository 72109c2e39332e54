"""A committed workspace with an account whose mailbox is a real server's, and what people write into it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from factories import outreach
from mailboxes import MARKED, PASSWORD, MailServer
from sqlalchemy import Engine, select, text

from crm.accounts.kinds import Role
from crm.accounts.models import Membership, User, Workspace
from crm.accounts.rules import Actor, system_actor
from crm.db import Database, database_now, new_id
from crm.interactions.models import Interaction
from crm.outreach import mailbox, services
from crm.outreach.inbound_models import InboundEvent
from crm.outreach.kinds import MailboxReach
from crm.outreach.mailbox_models import MailboxFolder, SyncedMailbox
from crm.outreach.models import Conversation
from crm.outreach.services import handle_inbound, mailboxes

OWN = "giulia@lanterna.example"
DAY = timedelta(days=1)


def letter(
    number: int | str,
    *,
    at: datetime,
    sender: str = "Ann <ann@example.com>",
    to: str = OWN,
    text: str = "Buongiorno, ci sentiamo presto.",
    subject: str = "",
    **headers: str,
) -> bytes:
    """A mail of a person; `headers` with underscores, an empty one is left out."""
    known = {
        "From": sender,
        "To": to,
        "Subject": subject or f"Lettera {number}",
        "Date": at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        "Message-ID": f"<{number}@mail.example>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in known.items() if value)
    return head.encode() + f"\r\n{text}\r\n".encode()


@dataclass
class Letterbox:
    """One house, its mailbox and its clockwork."""

    database: Database
    owner: Engine
    server: MailServer
    user: str
    workspace_id: UUID = field(default_factory=new_id)
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __post_init__(self) -> None:
        self.actor = system_actor(self.workspace_id)
        with self.scope() as session:
            session.add(Workspace(id=self.workspace_id, name="Lanterna", slug=f"w-{self.workspace_id.hex}"))
            giulia = User(email=OWN, email_norm=OWN, name="Giulia", fs_uniquifier=uuid4().hex)
            session.add(giulia)
            session.flush()
            session.add(Membership(workspace_id=self.workspace_id, user_id=giulia.id, role=Role.OWNER))
            session.flush()
            self.giulia = giulia.id
            self.contact_id = outreach.person(session, self.actor, now=self.now)
            account = outreach.account(
                session,
                self.actor,
                now=self.now,
                address=OWN,
                owner_id=giulia.id,
                imap_host="127.0.0.1",
                imap_port=self.server.tls_port,
                imap_username=self.user,
            )
            self.account_id = account.id
            services.set_secret(session, self.actor, account_id=account.id, secret={"secret": PASSWORD})

    def scope(self):
        return self.database.scope(self.workspace_id)

    @property
    def colleague(self) -> Actor:
        from crm.accounts import queries

        with self.scope() as session:
            found = queries.member_actor(session, workspace_id=self.workspace_id, user_id=self.giulia)
        assert found is not None
        return found

    def person(self, name: str, email: str) -> UUID:
        with self.scope() as session:
            return outreach.person(session, self.actor, name, email=email, now=self.now)

    def put(self, *mails: tuple[datetime | None, bytes], folder: str = "INBOX") -> None:
        self.server.put(self.user, folder, *mails)

    def switch_on(
        self, *, reach: MailboxReach = MailboxReach.TWO_YEARS, strangers: bool = False, only: str = ""
    ) -> None:
        """Set the mailbox up as the page does, with the folders that are guessed."""
        from crm.outreach.adapters import connect_mailbox, load_spec

        with self.scope() as session:
            spec = load_spec(session, self.account_id)
        assert spec is not None
        box = connect_mailbox(spec)
        assert box is not None
        folders = box.folders()
        box.close()
        with self.scope() as session:
            now = database_now(session)
            made = mailboxes.keep_folders(session, self.actor, account_id=self.account_id, folders=folders, now=now)
            self.mailbox_id = made.id
            rows = session.scalars(select(MailboxFolder).where(MailboxFolder.mailbox_id == made.id)).all()
            chosen = [row.id for row in rows if row.is_on and only in {"", row.name}]
            data = mailboxes.MailboxInput(folder_ids=chosen, reach=reach, keeps_strangers=strangers)
            mailboxes.switch_on(session, self.actor, account_id=self.account_id, data=data, now=now)

    def read(self, **options: Any) -> mailbox.Report:
        """One look, as a job does it, and the handling of what came in."""
        report = mailbox.run(self.database, workspace_id=self.workspace_id, mailbox_id=self.mailbox_id, **options)
        for event_id in report.stored:
            with self.scope() as session:
                handle_inbound(session, self.actor, event_id=event_id, now=database_now(session))
        return report

    def entries(self, contact_id: UUID | None = None) -> list[Interaction]:
        """What lies on the timelines of exchanges, the oldest first."""
        with self.scope() as session:
            wanted = select(Interaction).where(Interaction.kind.like("message.%"))
            if contact_id:
                wanted = wanted.where(Interaction.contact_id == contact_id)
            return list(session.scalars(wanted.order_by(Interaction.happened_at, Interaction.id)))

    def conversations(self) -> list[Conversation]:
        with self.scope() as session:
            return list(session.scalars(select(Conversation).order_by(Conversation.created_at)))

    def events(self) -> list[InboundEvent]:
        with self.scope() as session:
            return list(session.scalars(select(InboundEvent)))

    def box(self) -> SyncedMailbox:
        with self.scope() as session:
            return session.get_one(SyncedMailbox, self.mailbox_id)

    def folder(self, name: str = "INBOX") -> MailboxFolder:
        with self.scope() as session:
            return session.scalars(select(MailboxFolder).where(MailboxFolder.name == name)).one()

    def pass_time(self, how_long: timedelta) -> None:
        """Let the mailbox have been switched on, and looked at, that much earlier."""
        with self.owner.begin() as connection:
            connection.execute(
                text(
                    "update synced_mailbox set started_at = started_at - :long, next_at = next_at - :long,"
                    " leased_until = leased_until - :long"
                ),
                {"long": how_long},
            )


__all__ = ["DAY", "MARKED", "OWN", "Letterbox", "letter"]
