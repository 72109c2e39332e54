"""Answers made in the sandbox are read back by the same inbound path as the world's."""

from dataclasses import replace

import pytest

from crm.channels.answers import AnswerKind, compose
from crm.channels.base import AutoReply, Bounce, Complaint, OutcomeKind, Reply
from crm.channels.inbound import parse_email
from crm.channels.mime import build


@pytest.fixture
def answer(outbound):
    sent = replace(
        outbound, reply_to="vendite+k3j9@studio.example", html="<p>Ciao</p>", references=("<first@crm.example>",)
    )

    def write(kind, text="Va bene, perché no?", **changes):
        raw = compose(
            build(replace(sent, **changes)),
            kind=kind,
            address="anna.rossi@cliente.example",
            name="Anna Rossi, Cliente",
            envelope_sender="bounce+tok12@studio.example",
            text=text,
            now=outbound.date,
        )
        return parse_email(raw)

    return write


def test_a_reply_names_what_it_answers_and_says_only_the_new(answer, outbound):
    reply = answer(AnswerKind.REPLY)
    assert type(reply) is Reply
    assert reply.text == "Va bene, perché no?"
    assert "> Ciao Anna." in reply.full_text
    assert (reply.from_name, reply.from_address) == ("Anna Rossi, Cliente", "anna.rossi@cliente.example")
    assert reply.in_reply_to == outbound.reference
    assert reply.references == ("<first@crm.example>", outbound.reference)
    assert reply.token == "k3j9"
    assert reply.subject == "Re: Prova"
    assert reply.occurred_at == outbound.date


def test_a_stop_word_is_one_also_with_the_history_below(answer):
    assert answer(AnswerKind.REPLY, "Stop").opt_out


def test_two_answers_are_two_events(answer):
    assert answer(AnswerKind.REPLY).event_id != answer(AnswerKind.REPLY).event_id


def test_the_other_kinds_are_what_they_say(answer, outbound):
    assert type(answer(AnswerKind.OUT_OF_OFFICE)) is AutoReply
    bounce = answer(AnswerKind.BOUNCE)
    assert type(bounce) is Bounce
    assert (bounce.original_reference, bounce.token) == (outbound.reference, "tok12")
    assert bounce.recipients[0].address == "anna.rossi@cliente.example"
    assert bounce.recipients[0].outcome is OutcomeKind.PERMANENT
    complaint = answer(AnswerKind.COMPLAINT)
    assert type(complaint) is Complaint
    assert (complaint.original_reference, complaint.original_recipient) == (
        outbound.reference,
        "anna.rossi@cliente.example",
    )


def test_a_subject_in_any_letters_is_answered(answer):
    assert answer(AnswerKind.REPLY, subject="Perché così? 🙂").subject == "Re: Perché così? 🙂"
