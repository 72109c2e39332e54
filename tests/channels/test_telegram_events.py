"""What a bot is told becomes events: words, starts, stops, and everything that is not for us."""

import json
from datetime import UTC, datetime

import pytest
from channels.fakes.telegram import FakeTelegram
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.channels.base import Reachability, Reply, SignatureError, Started, Unread
from crm.channels.mail_parts import InboundError
from crm.channels.telegram_events import TelegramDoor, parse_telegram

DOOR = TelegramDoor()
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def read(update):
    (event,) = parse_telegram(json.dumps(update).encode())
    return event


@pytest.fixture
def ada():
    return FakeTelegram()


def test_a_message_is_a_reply_of_a_number_that_never_changes(ada):
    event = read(ada.write(text="Ciao, come va?"))
    assert type(event) is Reply
    assert (event.platform_id, event.from_address, event.from_name) == ("4242", "ada_r", "Ada Rossi")
    assert (event.text, event.event_id) == ("Ciao, come va?", "4242:101")
    assert event.occurred_at == datetime.fromtimestamp(1_795_000_000, UTC)
    assert event.in_reply_to is None


def test_who_has_no_name_has_no_address(ada):
    assert read(ada.write(username="")).from_address == ""


def test_an_answer_names_what_it_answers_as_we_remember_it(ada):
    assert read(ada.write(reply_to_message={"message_id": 77})).in_reply_to == "4242:77"


@pytest.mark.parametrize(
    ("text", "payload"),
    [("/start k3J9x_-A", "k3J9x_-A"), ("/start", ""), ("/start@lanterna_bot abc", "abc"), ("/start  a", "a")],
)
def test_pressing_start_is_told_with_what_the_link_carried(ada, text, payload):
    event = read(ada.write(text=text))
    assert isinstance(event, Started)
    assert event.payload == payload


@pytest.mark.parametrize("text", ["/start a b", "/starting", "/start è", f"/start {'x' * 65}", "let us /start x"])
def test_what_only_looks_like_a_start_is_a_message(ada, text):
    assert type(read(ada.write(text=text))) is Reply


def test_a_start_is_not_edited_into_a_message(ada):
    message = ada.write(text="/start abc")["message"]
    assert type(read({"update_id": 9, "edited_message": message})) is Reply


@pytest.mark.parametrize("text", ["STOP", "/stop", "Basta!", "/STOP"])
def test_a_stop_word_is_heard(ada, text):
    assert read(ada.write(text=text)).opt_out
    assert not read(ada.write(text=f"{text} al rumore")).opt_out


def test_an_edit_is_a_message_of_its_own(ada):
    message = ada.write(text="Ci vediamo alle 9")["message"]
    event = read({"update_id": 9, "edited_message": {**message, "edit_date": 1_795_000_100}})
    assert (event.text, event.event_id) == ("[Modificato] Ci vediamo alle 9", "u9")
    assert event.occurred_at == datetime.fromtimestamp(1_795_000_100, UTC)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"photo": [{"file_id": "x"}], "caption": "la vetrina"}, "[Foto] la vetrina"),
        ({"voice": {"duration": 3}}, "[Messaggio vocale]"),
        ({"document": {"file_name": "offerta.pdf"}}, "[File] offerta.pdf"),
        ({"animation": {}, "document": {"file_name": "a.mp4"}}, "[Animazione] a.mp4"),
        ({"sticker": {"emoji": "👍"}}, "[Sticker]"),
        ({"location": {"latitude": 1}, "venue": {"title": "Bar", "address": "Via Po 1"}}, "[Luogo] Bar Via Po 1"),
        ({"contact": {"first_name": "Bo", "phone_number": "+39333"}}, "[Biglietto da visita] Bo +39333"),
    ],
)
def test_what_is_no_text_is_told_in_words(ada, sent, text):
    assert read(ada.write(text=None, **sent)).text == text


def test_words_follow_the_language_of_the_person(ada):
    author = {"id": 5, "is_bot": False, "first_name": "Bo", "language_code": "de"}
    assert read(ada.write(text=None, voice={}, **{"from": author})).text == "[Voice message]"


@pytest.mark.parametrize(("status", "reachable"), [("kicked", False), ("member", True)])
def test_a_block_and_its_end_are_told(ada, status, reachable):
    event = read(ada.member(status))
    assert isinstance(event, Reachability)
    assert (event.platform_id, event.reachable) == ("4242", reachable)


@pytest.mark.parametrize(
    "update",
    [
        {"update_id": 1, "message": {"message_id": 1, "chat": {"id": -5, "type": "group"}, "from": {"id": 5}}},
        {"update_id": 1, "message": {"message_id": 1, "chat": {"id": 5, "type": "private"}, "text": "no author"}},
        {"update_id": 1, "message": {"chat": {"id": 5, "type": "private"}, "from": {"id": 5}, "text": "no number"}},
        {
            "update_id": 1,
            "message": {"message_id": 1, "chat": {"type": "private"}, "from": {"id": 5, "is_bot": True}, "text": "x"},
        },
        {"update_id": 1, "message": {"message_id": 1, "chat": {"type": "private"}, "from": {"id": 5}}},
        {"update_id": 1, "message": "text"},
        {"update_id": 1, "channel_post": {"text": "x"}},
        {"update_id": 1, "my_chat_member": {"chat": {"id": 5, "type": "group"}}},
        {"update_id": 1, "my_chat_member": {"chat": {"id": 5, "type": "private"}, "new_chat_member": None}},
        {"update_id": 1, "callback_query": {"id": "1"}},
        {"update_id": 1},
        {"x": 1},
    ],
)
def test_what_is_not_for_us_is_kept_unread(update):
    assert isinstance(read(update), Unread)


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b"\xff", b'{"a":' * 100, b"[" * 100_000])
def test_what_is_no_update_is_refused(raw):
    with pytest.raises(InboundError):
        parse_telegram(raw)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_FIELD = st.sampled_from(
    ["message_id", "chat", "from", "text", "date", "reply_to_message", "photo", "document", "caption", "contact"]
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(_FIELD, _JSON | st.dictionaries(st.sampled_from(["id", "type", "username"]), _JSON)))
def test_no_shape_of_a_message_breaks_the_reader(message):
    (event,) = parse_telegram(json.dumps({"update_id": 3, "message": message}).encode())
    assert event.event_id


def test_the_door_opens_to_the_token_alone():
    secret = {"webhook_secret": "s3cret"}
    DOOR.verify(b"{}", {"x-telegram-bot-api-secret-token": "s3cret"}, secret=secret, now=NOW)
    for headers, known, code in (
        ({}, secret, "missing"),
        ({"x-telegram-bot-api-secret-token": "è"}, secret, "mismatch"),
        ({"x-telegram-bot-api-secret-token": "s3cret"}, {}, "no_secret"),
        ({"x-telegram-bot-api-secret-token": ""}, {"webhook_secret": ""}, "no_secret"),
    ):
        with pytest.raises(SignatureError) as caught:
            DOOR.verify(b"{}", headers, secret=known, now=NOW)
        assert caught.value.code == code


def test_a_delivery_is_one_update_under_its_number(ada):
    update = ada.write()
    body = json.dumps(update).encode()
    (piece,) = DOOR.split(body, {}, config={})
    assert (piece.event_id, piece.raw) == (f"u{update['update_id']}", body)
    (other,) = DOOR.split(b"no json", {}, config={})
    assert other.event_id.startswith("x")
    assert DOOR.challenge({}, secret={}) is None
