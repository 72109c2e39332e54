"""Owns the sentences of the gate: what each reason and each way forward says to a person, in English for gettext."""

from types import MappingProxyType
from typing import Final

from crm.channels.sentences import N_, is_outcome, outcome_sentence
from crm.outreach.rules import Reason, Way

REASON_SENTENCES: Final = MappingProxyType(
    {
        Reason.ERASED: N_("This person's data was erased at their request."),
        Reason.MERGED: N_("This contact was merged into another one."),
        Reason.DELETED: N_("This contact was deleted."),
        Reason.NO_HANDLE: N_("There is no address on this channel."),
        Reason.HANDLE_GONE: N_("This address is no longer in use."),
        Reason.HANDLE_BOUNCED: N_("Messages to this address came back."),
        Reason.HANDLE_BLOCKED: N_("This person has blocked us on this channel."),
        Reason.NEEDS_START: N_("This person must press Start first."),
        Reason.WINDOW_CLOSED: N_("More than 24 hours have passed since this person last wrote."),
        Reason.LIMITED: N_("The processing of this person’s data is limited: they are only kept."),
        Reason.SUPPRESSED: N_("This address is on the list of those who get nothing any more."),
        Reason.CONSENT_WITHDRAWN: N_("This person has said no to messages of this kind."),
        Reason.CONSENT_MISSING: N_("There is no consent or other legal basis for this kind of message."),
        Reason.BATCH_CANCELLED: N_("The campaign was cancelled."),
        Reason.BATCH_PAUSED: N_("The campaign is paused."),
        Reason.SENDING_PAUSED: N_("All sending is paused."),
        Reason.PROMOTIONS_PAUSED: N_("All promotions are paused."),
        Reason.REPLIED: N_("The person has replied meanwhile."),
        Reason.REDEEMED: N_("The person has already used the code."),
        Reason.COMPLAINT: N_("This person has complained and got no answer yet."),
        Reason.UNANSWERED: N_("The person is waiting for our answer."),
        Reason.CONVERSATION: N_("There was an exchange with this person in the last three days."),
        Reason.COLLISION: N_("A colleague writes to this person these days."),
        Reason.BUDGET_PERSON: N_("This person has had enough promotions for now."),
        Reason.BUDGET_COMPANY: N_("The people of this company have had enough promotions for now."),
        Reason.TOO_EARLY: N_("It is too early for this message."),
        Reason.TOO_LATE: N_("It is too late for this message."),
        Reason.OUTSIDE_WINDOW: N_("It is outside the sending hours where this person lives."),
        Reason.NEVER_OPEN: N_("The sending hours are never open."),
        Reason.NO_ACCOUNT: N_("There is no sender account for this channel."),
        Reason.ACCOUNT_PAUSED: N_("The sender account is paused."),
        Reason.ACCOUNT_HELD: N_("The sender account has a problem."),
        Reason.PACE: N_("The sender account is at its pace."),
        Reason.DAILY_CAP: N_("The sender account has reached its limit for today."),
        Reason.DOMAIN_PACE: N_("The mail server of this address takes only a few messages a minute."),
        Reason.VOUCHER_GONE: N_("The code in this message is no longer valid."),
        Reason.MISSING_VALUES: N_("The text needs something that is missing for this person."),
        Reason.STALE: N_("The agreed time has passed by too much."),
    }
)

WAY_SENTENCES: Final = MappingProxyType(
    {
        Way.NONE: "",
        Way.OPEN_SURVIVOR: N_("Write to the contact it was merged into."),
        Way.RESTORE: N_("Restore the contact first."),
        Way.OTHER_ADDRESS: N_("Add or choose another address or channel."),
        Way.ASK_CONSENT: N_("Ask for consent on another occasion, and record it with its source."),
        Way.LIFT_LIMIT: N_("Tell the person, then lift the limit on their page of personal data."),
        Way.WAIT_FOR_THEM: N_("Only this person can change it; an answer to what they write stays possible."),
        Way.ANSWER_FIRST: N_("Answer them first."),
        Way.WAIT: N_("It goes by itself when the time has come."),
        Way.RESUME: N_("Resume it when the reason for the pause is gone."),
        Way.FIX_ACCOUNT: N_("Check the sender account in the settings."),
        Way.CHOOSE_ACCOUNT: N_("Add or choose a sender account."),
        Way.CHOOSE_OFFER: N_("Choose another offer and approve the text again."),
        Way.FILL_IN: N_("Fill in the missing value, or change this person's text."),
        Way.DECIDE: N_("Decide whether it should still go."),
        Way.SEND_START_LINK: N_("Send them the start link by e-mail; once they press Start you can write to them."),
        Way.CHOOSE_TEMPLATE: N_("Choose an approved template, or wait until they write again."),
    }
)


#: Reasons that don't come from the gate: outcomes of a channel, and decisions of a person.
OTHER_SENTENCES: Final = MappingProxyType(
    {
        "text_too_long": N_("The text is longer than this channel takes."),
        "taken_back": N_("Taken back before it left."),
        "by_hand": N_("Decided by a colleague."),
        "offer_withdrawn": N_("The offer was withdrawn."),
        "permanent": N_("The address does not exist or takes no mail."),
        "policy": N_("The receiving side does not allow this message now."),
        "content": N_("The receiving side refused the content."),
        "auth": N_("The sender account could not sign in."),
        "retries_used_up": N_("The receiving side could not be reached for two days."),
        "retry_later": N_("The receiving side asked to try again later."),
        "unknown": N_("The connection broke while the message was being handed over."),
        "worker_stopped": N_("The sender stopped while the message was being handed over."),
        "lease_over": N_("The sender was held up for too long: the message did not leave and goes again."),
        "waited": N_("It waited too long for a free connection: it did not leave and is checked again."),
        "adapter_error": N_("Something unexpected happened while the message was being handed over."),
        "not_handed_over": N_("The sender stopped before the message was handed over: it did not leave."),
        "restored": N_("A backup was restored: it may have left since the backup was made."),
        "not_done": N_("Not done."),
        "not_reached": N_("Not reached by hand: it comes back tomorrow."),
        "wrong_address": N_("A colleague found that this address is not theirs."),
        "said_no": N_("They told a colleague that they want no more messages."),
        "unsure": N_("Nobody remembers whether it was sent."),
        "recalculate": N_("Something it was written from has changed."),
        "arrived": N_("A colleague decided: it arrived."),
        "send_again": N_("A colleague decided: send it again."),
        "early_receipt": N_("The receiving side told of it before the try had ended."),
    }
)

#: The sender itself kept a message back: nobody outside the house has said anything, and it goes again at once.
KEPT_BACK: Final = frozenset({"lease_over", "waited", "not_handed_over"})

_ALL: Final[dict[str, str]] = {**REASON_SENTENCES, **OTHER_SENTENCES}


def sentence(reason: str) -> str:
    """The English sentence of a reason code, for gettext: of the gate, of a decision, or of a channel's answer.

    Messages also keep reasons that people gave in their own words; those stand for themselves.
    """
    if reason in _ALL:
        return _ALL[reason]
    return outcome_sentence(reason) if is_outcome(reason) else reason


def way_sentence(way: Way) -> str:
    """The English sentence of a way forward, for gettext; empty when there is none."""
    return WAY_SENTENCES[way]
