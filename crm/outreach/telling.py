"""Owns the sentences of a message's life and of an account's health, in the reader's language."""

from typing import Final

from crm.channels.base import OutcomeKind
from crm.outreach.kinds import DeliveryState
from crm.outreach.models import SenderAccount
from crm.outreach.queries.life import Event, Step
from crm.outreach.words import DELIVERIES, attempt_text, reason_text
from crm.web.formats import moment
from crm.web.i18n import _, lazy, lazy_p

#: The icon of each step.
ICONS: Final = {
    Step.WRITTEN: "pencil",
    Step.APPROVED: "check",
    Step.CLAIMED: "hourglass",
    Step.TRIED: "send",
    Step.OUTCOME: "message-2-exclamation",
    Step.LOOKED: "search",
    Step.DECIDED: "user-check",
    Step.SENT: "circle-check",
    Step.DELIVERY: "mail-opened",
    Step.REPLIED: "corner-up-left",
    Step.ENDED: "circle-x",
    Step.PLANNED: "calendar",
    Step.DEFERRED: "clock-pause",
}

#: How far a conversation with a mail server had come when it ended.
STAGES: Final = {
    "connect": lazy("while connecting"),
    "greeting": lazy("at the greeting"),
    "ehlo": lazy("at the greeting"),
    "starttls": lazy("while encrypting"),
    "auth": lazy("at the sign-in"),
    "mail": lazy("at the sender’s address"),
    "rcpt": lazy("at the recipient’s address"),
    "data": lazy("before the text"),
    "final": lazy("after the whole text"),
}

#: What helps against an error of an account, by the start of its code; the longest match counts.
ADVICE: Final = {
    "auth_": lazy("Write the password again: many providers want an app password for programs like this one."),
    "auth_needs_tls": lazy("Choose STARTTLS or TLS for this account."),
    "auth_mechanism": lazy("Ask your provider which way of signing in it offers."),
    "config": lazy("Fill in server, user name and password."),
    "connect_": lazy("Check the server’s name and port; if they are right, it will be tried again by itself."),
    "connect_forbidden_address": lazy("Ask whoever runs this installation to allow the server."),
    "connect_port": lazy("Choose port 587 or 465."),
    "ehlo_": lazy("It is tried again by itself. If it stays, ask your provider."),
    "greeting_": lazy("It is tried again by itself. If it stays, ask your provider whether the account is blocked."),
    "mail_": lazy("Check the address of this account: the server may send only for addresses it knows."),
    "starttls_": lazy("Choose the other kind of encryption, or ask your provider."),
    "tls_certificate": lazy("Write the server’s name exactly as your provider gives it."),
    "imap_": lazy("Check the part about the mailbox. Sending goes on without it."),
}


def event_text(event: Event, *, files_sent: bool) -> str:
    """What happened in one step, without its time."""
    reason = reason_text(event.code)
    match event.step:
        case Step.TRIED:
            number = event.attempt.number if event.attempt else 1
            text = _("Try %(number)s begins: from here on it may leave", number=number)
        case Step.OUTCOME | Step.LOOKED:
            text = _outcome(event, files_sent=files_sent)
        case Step.DELIVERY:
            text = str(DELIVERIES[DeliveryState(event.code)][0]).capitalize()
        case Step.DECIDED:
            text = str(_DECISIONS.get(event.code, reason))
        case Step.ENDED:
            text = _("Ended without leaving. %(reason)s", reason=reason)
        case Step.DEFERRED if event.at is None:
            text = _("Waits until somebody decides. %(reason)s", reason=reason)
        case Step.DEFERRED:
            text = _("Put off until then. %(reason)s", reason=reason)
        case _:
            text = str(_PLAIN[event.step] if not event.who else _BY_SOMEBODY.get(event.step, _PLAIN[event.step]))
    return text.strip()


def _outcome(event: Event, *, files_sent: bool) -> str:
    line = event.attempt
    if line is None:
        return ""
    text = attempt_text(line, files_sent=files_sent)
    stage = stage_text(line.code, line.stage) if event.step is Step.OUTCOME else ""
    if stage and line.kind != OutcomeKind.ACCEPTED:
        return _("%(text)s It ended %(stage)s.", text=text, stage=stage)
    return text


def stage_text(code: str, stage: str) -> str:
    """How far it had come, '' where the sentence of the code itself says so ("rcpt_550")."""
    return "" if stage not in STAGES or code.startswith(f"{stage}_") else str(STAGES[stage])


_PLAIN: Final = {
    Step.WRITTEN: lazy("Written"),
    Step.APPROVED: lazy("Approved"),
    Step.CLAIMED: lazy("Taken by the sender"),
    Step.SENT: lazy_p("message", "Sent"),
    Step.REPLIED: lazy("Answered"),
    Step.PLANNED: lazy("Agreed time"),
}

#: Behind the name of who did it.
_BY_SOMEBODY: Final = {
    Step.WRITTEN: lazy_p("somebody", "Written"),
    Step.APPROVED: lazy_p("somebody", "Approved"),
}

_DECISIONS: Final = {
    "arrived": lazy("Decided: it arrived"),
    "send_again": lazy("Decided: send it again"),
}


def advice(code: str) -> str:
    """What a person can do about an error of an account, '' when nothing is known to help."""
    known = [start for start in ADVICE if code == start or (start.endswith("_") and code.startswith(start))]
    return str(ADVICE[max(known, key=len)]) if known else ""


def health_text(account: SenderAccount) -> str:
    """How the account does, in a sentence."""
    if account.state == "paused":
        return _("A colleague paused this account: nothing leaves from it until somebody resumes it.")
    if account.state == "held":
        text = _("Nothing leaves from here: %(reason)s", reason=reason_text(account.hold_reason))
        until = account.hold_until
        return _("%(text)s It is tried again %(time)s.", text=text, time=moment(until)) if until else text
    if account.last_ok_at is None:
        return _("Nothing has left from here yet.")
    if account.last_error_at is not None and account.last_error_at > account.last_ok_at:
        return _("It works, but the last try met a problem: %(reason)s", reason=reason_text(account.last_error_code))
    return _("It works: the last message left %(time)s.", time=moment(account.last_ok_at))


#: Servers of Microsoft 365 and Outlook, which take no password for sending after December 2026.
_MICROSOFT: Final = ("office365.com", "outlook.com", "hotmail.com", "live.com")


def password_ends(account: SenderAccount) -> bool:
    """Whether the account sends through Microsoft with a password."""
    host = str(account.config.get("host", "")).lower().rstrip(".")
    is_microsoft = any(host == name or host.endswith(f".{name}") for name in _MICROSOFT)
    return is_microsoft and account.config.get("mechanism") != "xoauth2"
