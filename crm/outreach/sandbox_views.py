"""The sandbox's pages: what each person received, and answering as that person through the same inbound path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session
from wtforms import RadioField, TextAreaField
from wtforms.validators import Length

from crm.accounts.guards import requires
from crm.accounts.kinds import Permission
from crm.channels.answers import AnswerKind, compose
from crm.channels.base import Reply
from crm.channels.html import clean_html
from crm.channels.inbound import InboundError, parse_email
from crm.channels.mail_parts import header, read_message
from crm.channels.sandbox import Letter, SandboxStore
from crm.outreach.models import SenderAccount
from crm.outreach.services.receive import receive
from crm.settings import Settings
from crm.web.forms import Form
from crm.web.i18n import _, lazy
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("sandbox", __name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """One letter as its reader sees it; `unsubscribe` is its one-click address when it leads to us."""

    letter: Letter
    subject: str
    sender: str
    html: Markup | None
    text: str
    attachments: tuple[str, ...]
    unsubscribe: str | None


class AnswerForm(Form):
    """Answer as the person who received the letter."""

    kind = RadioField(
        lazy("Answer"),
        choices=[
            (AnswerKind.REPLY.value, lazy("Reply")),
            (AnswerKind.OUT_OF_OFFICE.value, lazy("Out of office")),
            (AnswerKind.BOUNCE.value, lazy("Mailbox unknown")),
            (AnswerKind.COMPLAINT.value, lazy("Report as spam")),
        ],
        default=AnswerKind.REPLY.value,
    )
    text = TextAreaField(lazy("Text"), validators=[Length(max=20_000)])

    def validate(self, extra_validators: Mapping[str, Sequence[Any]] | None = None) -> bool:
        """A person who writes says something; a server's report needs no words."""
        if not super().validate(extra_validators):
            return False
        if self.kind.data in {AnswerKind.REPLY, AnswerKind.OUT_OF_OFFICE} and not (self.text.data or "").strip():
            self.text.errors = [_("Write something.")]
            return False
        return True


@blueprint.get("/sandbox")
@requires(Permission.WRITE)
def mailbox() -> str:
    """The people who received something; the mailbox of the chosen one with the chosen letter open."""
    return _mailbox(request.args.get("to", "").lower(), request.args.get("letter", ""), AnswerForm())


@blueprint.post("/sandbox/<letter_id>/answer")
@requires(Permission.WRITE)
def answer(letter_id: str) -> ResponseReturnValue:
    """Answer a letter as its recipient: a real mail goes the way of every inbound mail."""
    session = current_session()
    accounts = _accounts(session)
    found = _store().letter(accounts, letter_id)
    if found is None:
        abort(404)
    letter, raw = found
    form = AnswerForm()
    if not form.validate_on_submit():
        return _mailbox(letter.recipient, letter.id, form), 422
    now = request_now()
    try:
        inbound = compose(
            raw,
            kind=AnswerKind(form.kind.data),
            address=letter.recipient,
            name=letter.recipient_name,
            envelope_sender=letter.sender,
            text=(form.text.data or "").strip(),
            now=now,
        )
    except (InboundError, ValueError):
        form.text.errors = [_("This can't be sent as a mail.")]
        return _mailbox(letter.recipient, letter.id, form), 422
    account = accounts[letter.account] if letter.account is not None else abort(404)
    receive(session, account, inbound, now)
    flash(_("The answer has arrived in your inbox."), "ok")
    return redirect(url_for(".mailbox", to=letter.recipient, letter=letter.id), code=303)


def _mailbox(to: str, letter_id: str, form: AnswerForm) -> str:
    session = current_session()
    accounts = _accounts(session)
    store = _store()
    people = store.people(accounts)
    chosen = next((person for person in people if person.address == to), None)
    if to and chosen is None:
        abort(404)
    letters = store.letters(accounts, recipient=chosen.address) if chosen else []
    wanted = letter_id or (letters[0].id if letters else "")
    opened = _opened(store, accounts, wanted) if chosen else None
    return render_template(
        "sandbox/mailbox.html",
        has_account=bool(accounts),
        people=people,
        person=chosen,
        letters=letters,
        opened=opened,
        form=form,
    )


def _opened(store: SandboxStore, accounts: dict[UUID, SenderAccount], letter_id: str) -> Opened:
    found = store.letter(accounts, letter_id)
    if found is None:
        abort(404)
    letter, raw = found
    try:
        event = parse_email(raw)
        unsubscribe = _one_click(raw)
    except InboundError:
        event, unsubscribe = None, None
    if not isinstance(event, Reply):
        return Opened(letter, letter.subject, letter.sender, None, "", (), None)
    return Opened(
        letter=letter,
        subject=event.subject,
        sender=event.from_name or event.from_address,
        # What stands in our own page: no script, style, form or image is left.
        html=Markup(clean_html(event.html)) if event.html else None,  # noqa: S704 - cleaned by nh3, see above
        text=event.full_text,
        attachments=tuple(file.filename for file in event.attachments),
        unsubscribe=unsubscribe,
    )


def _one_click(raw: bytes) -> str | None:
    """The address behind a mail program's own unsubscribe button (RFC 8058), when it is ours."""
    message = read_message(raw)
    if header(message, "List-Unsubscribe-Post") != "List-Unsubscribe=One-Click":
        return None
    for part in header(message, "List-Unsubscribe").split(","):
        address = part.strip().strip("<>")
        if address.startswith(f"{_settings().public_url}/"):
            return address
    return None


def _accounts(session: Session) -> dict[UUID, SenderAccount]:
    """The workspace's accounts that write to the sandbox, deleted ones too: their letters stay readable."""
    rows = session.scalars(select(SenderAccount).where(SenderAccount.is_sandbox.is_(True)))
    return {row.public_id: row for row in rows}


def _settings() -> Settings:
    return current_app.extensions["crm_settings"]


def _store() -> SandboxStore:
    """One reader per application, which remembers what it has read."""
    return SandboxStore(_settings().home)
