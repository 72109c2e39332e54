"""What WhatsApp delivers: proven, taken apart, read; whatever shape the people and Meta give it."""

import json
from datetime import UTC, datetime

import pytest
from channels.fakes.whatsapp import AT, NUMBER_ID, VERIFY_TOKEN, author, delivery, message, signed, status
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.channels.base import OutcomeKind, Receipt, ReceiptKind, Reply, SignatureError, Unread
from crm.channels.mail_parts import InboundError
from crm.channels.whatsapp_events import WhatsAppDoor, parse_whatsapp

DOOR = WhatsAppDoor()
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
CONFIG = {"phone_number_id": NUMBER_ID}


def pieces(body, config=CONFIG):
    return DOOR.split(body, {}, config=config)


def read(*values):
    return [event for piece in pieces(delivery(*values)) for event in parse_whatsapp(piece.raw)]


def only(*values):
    (event,) = read(*values)
    return event


def test_the_question_is_answered_to_who_knows_the_token():
    secret = {"verify_token": VERIFY_TOKEN}
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
    assert DOOR.challenge(query, secret=secret) == "1158201444"
    for wrong in ({**query, "hub.verify_token": "x"}, {**query, "hub.mode": "x"}, {"hub.mode": "subscribe"}, {}):
        assert DOOR.challenge(wrong, secret=secret) is None
    assert DOOR.challenge({**query, "hub.verify_token": ""}, secret={}) is None


def test_the_signature_is_over_the_raw_bytes():
    body = b'{"object":"page"}'
    known = {"x-hub-signature-256": "sha256=b38a2f589e8e63c7fc3318ee5fad162aa1c05bd62cb1ec87c9a61641619505e2"}
    secret = {"app_secret": "appsecret"}
    DOOR.verify(body, known, secret=secret, now=NOW)
    for wrong_body, headers, keys, code in (
        (body + b" ", known, secret, "mismatch"),
        (body, {}, secret, "missing"),
        (body, {"x-hub-signature-256": "sha256="}, secret, "mismatch"),
        (body, signed(body, "other"), secret, "mismatch"),
        (body, signed(body, ""), {}, "no_secret"),
    ):
        with pytest.raises(SignatureError) as caught:
            DOOR.verify(wrong_body, headers, secret=keys, now=NOW)
        assert caught.value.code == code


def test_a_batch_is_taken_apart_and_other_numbers_are_left_out():
    first = {"contacts": [author(), author("Bo", "39347")], "messages": [message(), message("wamid.IN2", "Eh")]}
    second = {"statuses": [status("wamid.A", "sent"), status("wamid.A", "delivered"), status("wamid.A", "sent")]}
    found = pieces(delivery(first, second))
    assert [piece.event_id for piece in found] == [
        "wamid.IN1",
        "wamid.IN2",
        "wamid.A:sent",
        "wamid.A:delivered",
        "wamid.A:sent",
    ]
    assert pieces(delivery(first, number_id="999")) == []
    # Each piece holds its own author and nobody else's.
    assert b"39347" not in found[0].raw


def test_a_message_is_read_with_who_wrote_it():
    event = only({"contacts": [author(user_id="IT.1349")], "messages": [message(context={"id": "wamid.OUT1"})]})
    assert type(event) is Reply
    assert (event.from_address, event.platform_id, event.from_name) == ("+393331234567", "IT.1349", "Ada Rossi")
    assert (event.text, event.event_id, event.in_reply_to) == ("Ciao", "wamid.IN1", "wamid.OUT1")
    assert event.occurred_at == datetime.fromtimestamp(AT, UTC)


@pytest.mark.parametrize(
    ("who", "wrote", "address", "platform_id", "name"),
    [
        # A person with a user name keeps the number to themselves.
        (
            author(wa_id=None, user_id="IT.1", profile={"name": "", "username": "ada"}),
            {"from": None},
            "",
            "IT.1",
            "ada",
        ),
        (author(wa_id=None, user_id="IT.1"), {"from": None, "from_user_id": "IT.1"}, "", "IT.1", "Ada Rossi"),
        (author(), {}, "+393331234567", None, "Ada Rossi"),
        (author(), {"from": None}, "+393331234567", None, "Ada Rossi"),
        (None, {}, "+393331234567", None, ""),
    ],
)
def test_people_are_known_by_number_or_by_id(who, wrote, address, platform_id, name):
    event = only({"contacts": [who] if who else [], "messages": [message(**wrote)]})
    assert (event.from_address, event.platform_id, event.from_name) == (address, platform_id, name)


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("button", {"text": "Sì, confermo", "payload": "YES"}, "Sì, confermo"),
        ("interactive", {"type": "button_reply", "button_reply": {"id": "1", "title": "Domani"}}, "Domani"),
        ("interactive", {"type": "list_reply", "list_reply": {"id": "1", "title": "Ore 9"}}, "Ore 9"),
        ("image", {"caption": "la vetrina", "id": "1"}, "[Foto] la vetrina"),
        ("document", {"filename": "offerta.pdf"}, "[File] offerta.pdf"),
        ("audio", {"voice": True}, "[Audio]"),
        ("location", {"name": "Bar", "address": "Via Po 1"}, "[Posizione] Bar Via Po 1"),
        ("reaction", {"emoji": "👍", "message_id": "wamid.OUT1"}, "[Reazione] 👍"),
        ("unsupported", {}, "[Qualcosa che WhatsApp non inoltra]"),
    ],
)
def test_what_is_no_text_is_told_in_words(kind, content, text):
    event = only({"contacts": [author()], "messages": [message(type=kind, text=None, **{kind: content})]})
    assert event.text == text


def test_cards_are_told_by_their_names():
    cards = [{"name": {"formatted_name": "Bo Neri"}}, {"name": {"formatted_name": "Ugo"}}]
    event = only({"contacts": [author()], "messages": [message(type="contacts", text=None, contacts=cards)]})
    assert event.text == "[Biglietto da visita] Bo Neri, Ugo"


@pytest.mark.parametrize(("kind", "content"), [("text", {"body": "STOP"}), ("button", {"text": "Stop"})])
def test_a_stop_word_is_heard_also_on_a_button(kind, content):
    event = only({"contacts": [author()], "messages": [message(**{"type": kind, "text": None, kind: content})]})
    assert event.opt_out


@pytest.mark.parametrize(
    ("word", "kind"),
    [("sent", ReceiptKind.SENT), ("delivered", ReceiptKind.DELIVERED), ("read", ReceiptKind.READ)],
)
def test_good_news_of_a_message_is_told_by_both_ids(word, kind):
    event = only({"statuses": [status("wamid.A", word, reference="our-id")]})
    assert isinstance(event, Receipt)
    assert (event.kind, event.remote_id, event.reference, event.outcome) == (kind, "wamid.A", "our-id", None)


def test_a_late_refusal_means_what_an_early_one_does():
    event = only({"statuses": [status("wamid.A", "failed", code=131047)]})
    assert (event.kind, event.code, event.outcome) == (ReceiptKind.FAILED, "window_closed", OutcomeKind.POLICY)
    bare = only({"statuses": [status("wamid.A", "failed")]})
    assert (bare.code, bare.outcome) == ("api_unknown", OutcomeKind.UNKNOWN)


@pytest.mark.parametrize(
    "value",
    [
        {"messages": [message(type="system", text=None, system={"body": "changed number"})]},
        {"messages": [message(type="reaction", text=None, reaction={"message_id": "x"})]},
        {"messages": [message(**{"from": None})]},
        {"messages": [message(text=None)]},
        {"statuses": [status("wamid.A", "warped")]},
        {"errors": [{"code": 1}]},
        {},
    ],
)
def test_what_nobody_reads_is_kept_unread(value):
    assert isinstance(only(value), Unread)


def test_news_of_templates_is_kept_unread():
    (piece,) = pieces(delivery({"event": "APPROVED"}, field="message_template_status_update"))
    (event,) = parse_whatsapp(piece.raw)
    assert (type(event), event.what) == (Unread, "message_template_status_update")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"entry":[]}', b'{"entry":"x"}'])
def test_what_is_no_delivery_is_one_piece(body):
    (piece,) = pieces(body)
    assert piece.raw == body
    if body[:1] != b"{" or body == b"{":
        with pytest.raises(InboundError):
            parse_whatsapp(piece.raw)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_VALUE = st.dictionaries(
    st.sampled_from(["contacts", "messages", "statuses", "metadata"]),
    _JSON | st.lists(st.dictionaries(st.sampled_from(["id", "from", "type", "text", "status", "errors"]), _JSON)),
)


@settings(max_examples=25, deadline=None)
@given(_VALUE)
def test_no_shape_of_a_delivery_breaks_the_door_or_the_reader(value):
    body = json.dumps({"entry": [{"changes": [{"field": "messages", "value": value}]}]}).encode()
    for piece in pieces(body):
        assert 0 < len(piece.event_id) <= 250
        assert parse_whatsapp(piece.raw)
