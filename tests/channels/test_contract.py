"""One contract for every adapter and every door, against servers that speak the platform's words and misbehave."""

import base64
import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import pytest
from channels.conftest import DROP
from channels.fakes import telegram, webhook, whatsapp
from channels.fakes.web import FakePlatform, HangUp, Late, Said

from crm.channels.assisted import ASSISTED_CHANNELS
from crm.channels.base import Adapter, ChannelKind, Outbound, Outcome, OutcomeKind, SignatureError, Unread
from crm.channels.mail_parts import InboundError
from crm.channels.platform import Platform
from crm.channels.registry import ADAPTERS, DOORS, PARSERS, SETUPS, AccountSpec, adapter_for
from crm.channels.sentences import OUTCOME_SENTENCES, outcome_sentence
from crm.net.guard import Guard

C, K = ChannelKind, OutcomeKind
LOOPBACK = Guard(allow=("127.0.0.1",))
AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Speaker:
    """What the contract must know of a channel with an API: its fake, its settings, and how the platform says no."""

    fake: Callable[[], FakePlatform]
    config: dict[str, Any]
    secret: dict[str, str]
    to: dict[str, str]
    throttled: Said
    expired: Said


SPEAKERS = {
    C.TELEGRAM: Speaker(
        fake=telegram.FakeTelegram,
        config={},
        secret={"token": telegram.TOKEN},
        to={"to_address": "@ada_r", "to_platform_id": "4242"},
        throttled=telegram.refusal(429, "Too Many Requests: retry after 7", retry_after=7),
        expired=telegram.refusal(401, "Unauthorized"),
    ),
    C.WHATSAPP: Speaker(
        fake=whatsapp.FakeWhatsApp,
        config={"phone_number_id": whatsapp.NUMBER_ID},
        secret={"token": whatsapp.TOKEN},
        to={"to_address": "+393331234567"},
        throttled=replace(whatsapp.refusal(130429, 429), headers={"Retry-After": "7"}),
        expired=whatsapp.refusal(190, 401),
    ),
    C.WEBHOOK: Speaker(
        fake=webhook.FakeEndpoint,
        config={"path": "/in"},
        secret={"send_secret": webhook.SECRET},
        to={"to_address": "ada"},
        throttled=Said(429, headers={"Retry-After": "7"}),
        expired=Said(410),
    ),
}
#: Speaks no HTTP; tests/channels/test_smtp_stages.py breaks it off at each of its stages.
BY_MAIL = {C.EMAIL}


def test_every_channel_is_in_the_contract():
    assert set(ADAPTERS) == set(SPEAKERS) | BY_MAIL | (ASSISTED_CHANNELS - set(SPEAKERS))
    assert set(DOORS) == {channel for channel, setup in SETUPS.items() if setup.has_webhook}
    assert set(DOORS) <= set(PARSERS)


@pytest.fixture(scope="module")
def fakes():
    """All fakes, running."""
    made = {channel: speaker.fake() for channel, speaker in SPEAKERS.items()}
    contexts = [fake.running() for fake in made.values()]
    for context in contexts:
        context.__enter__()
    yield made
    for fake, context in zip(made.values(), contexts, strict=True):
        fake.released.set()
        context.__exit__(None, None, None)


@dataclass
class Pair:
    """An adapter and the platform that it talks to."""

    channel: ChannelKind
    adapter: Adapter
    fake: FakePlatform
    letter: Outbound

    def says(self, *script: Said | HangUp | Late) -> Outcome:
        """Send a letter to a platform that answers so."""
        self.fake.script.extend(script)
        outcome = self.adapter.send(self.letter)
        assert outcome_sentence(outcome.code) in OUTCOME_SENTENCES.values()
        return outcome


def adapter_of(channel: ChannelKind, base_url: str) -> Adapter:
    speaker = SPEAKERS[channel]
    config = {**speaker.config, "base_url": base_url, "url": base_url + speaker.config.get("path", "")}
    spec = AccountSpec(channel=channel, public_id=UUID(int=1), config=config, secret=speaker.secret)
    return adapter_for(spec, LOOPBACK)


@pytest.fixture(params=SPEAKERS, ids=str)
def pair(request, fakes, outbound):
    channel = request.param
    fake = fakes[channel]
    fake.forget()
    letter = replace(outbound, text="Ciao Ada, è pronto. 🎉", date=AT, **SPEAKERS[channel].to)
    return Pair(channel, adapter_of(channel, fake.base_url), fake, letter)


def test_a_letter_leaves_once_as_it_is_and_has_a_name_there(pair):
    outcome = pair.says()
    assert (outcome.kind, bool(outcome.remote_id)) == (K.ACCEPTED, True)
    (asked,) = pair.fake.asked
    assert pair.letter.text in json.dumps(asked.data, ensure_ascii=False)
    assert pair.adapter.check().ok
    assert pair.adapter.find_sent(pair.letter.reference) is None
    pair.adapter.close()
    pair.adapter.close()


def test_too_fast_is_tried_later_as_the_platform_says(pair):
    outcome = pair.says(SPEAKERS[pair.channel].throttled)
    assert outcome.kind is K.RETRY_LATER
    assert outcome.not_before is not None
    assert timedelta(seconds=6) <= outcome.not_before - AT <= timedelta(seconds=8)
    by_date = replace(
        SPEAKERS[pair.channel].throttled,
        data=None if pair.channel is C.TELEGRAM else SPEAKERS[pair.channel].throttled.data,
        headers={"Retry-After": format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)},
    )
    dated = pair.says(by_date)
    assert dated.kind is K.RETRY_LATER
    assert dated.not_before is not None
    assert dated.not_before - AT >= timedelta(minutes=4)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_trouble_over_there_is_never_a_refusal(pair, status):
    assert pair.says(Said(status, b"<html>oops</html>")).kind in {K.RETRY_LATER, K.UNKNOWN}


def test_credentials_that_are_over_are_the_account_s_fault(pair):
    assert pair.says(SPEAKERS[pair.channel].expired).kind is K.AUTH
    pair.fake.script.append(SPEAKERS[pair.channel].expired)
    check = pair.adapter.check()
    assert not check.ok
    assert outcome_sentence(check.code) in OUTCOME_SENTENCES.values()


@pytest.mark.parametrize("is_done", [False, True])
def test_a_broken_connection_proves_nothing_and_nothing_is_repeated(pair, is_done):
    assert pair.says(HangUp(is_done=is_done)).kind is K.UNKNOWN
    assert len(pair.fake.asked) == 1


@pytest.mark.parametrize("is_done", [False, True])
def test_an_answer_that_comes_too_late_proves_nothing(pair, is_done, monkeypatch):
    monkeypatch.setitem(Platform.__init__.__kwdefaults__, "total_seconds", 0.4)
    monkeypatch.setattr("crm.channels.webhook.TOTAL_SECONDS", 0.4)
    pair.adapter = adapter_of(pair.channel, pair.fake.base_url)
    outcome = pair.says(Late(is_done=is_done))
    pair.fake.released.set()
    assert outcome.kind is K.UNKNOWN
    assert len(pair.fake.asked) == 1


def test_what_never_connected_is_tried_later(pair):
    pair.adapter = adapter_of(pair.channel, "http://127.0.0.1:1")
    assert pair.says().kind is K.RETRY_LATER
    assert not pair.adapter.check().ok


@pytest.mark.parametrize("answer", [b"", b"not json", b"[]", b'{"ok": 7}', b"[" * 50_000, b"\xff\xfe"])
def test_an_answer_that_nobody_understands_is_no_refusal(pair, answer):
    assert pair.says(Said(200, answer)).kind in {K.UNKNOWN, K.ACCEPTED}


def test_a_redirect_is_not_followed(pair, fakes):
    elsewhere = Said(302, {}, {"location": f"{pair.fake.base_url}/elsewhere"})
    assert pair.says(elsewhere).kind is not K.ACCEPTED
    assert len(pair.fake.asked) == 1


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ({"rcpt": b"451 4.3.0 later\r\n"}, K.RETRY_LATER),
        ({"mail": b"421 4.3.2 closing\r\n"}, K.RETRY_LATER),
        ({"rcpt": b"550 5.1.1 nobody\r\n"}, K.PERMANENT),
        ({"final": DROP}, K.UNKNOWN),
        ({"ehlo": DROP}, K.RETRY_LATER),
    ],
)
def test_mail_keeps_the_contract_in_its_own_words(scripted, connection_to, outbound, script, kind):
    scripted.script.update(script)
    assert connection_to(scripted.port).send(outbound).kind is kind


# The doors


@dataclass(frozen=True)
class Called:
    """How a platform proves a delivery: its secrets here, and a delivery of one event with its headers."""

    secret: dict[str, str]
    delivery: Callable[[int], tuple[bytes, dict[str, str]]]
    signs_body: bool = True


def _update(number: int) -> tuple[bytes, dict[str, str]]:
    update = telegram.FakeTelegram().write()
    return json.dumps({**update, "update_id": number}).encode(), {"x-telegram-bot-api-secret-token": "s3cret"}


def _change(number: int) -> tuple[bytes, dict[str, str]]:
    body = whatsapp.delivery({"contacts": [whatsapp.author()], "messages": [whatsapp.message(f"wamid.{number}")]})
    return body, whatsapp.signed(body)


def _envelope(number: int) -> tuple[bytes, dict[str, str]]:
    body = webhook.event(id=f"m-{number}")
    return body, webhook.signed(body, name=f"msg_{number}", at=AT)


CALLED = {
    C.TELEGRAM: Called(secret={"webhook_secret": "s3cret"}, delivery=_update, signs_body=False),
    C.WHATSAPP: Called(secret={"app_secret": whatsapp.APP_SECRET}, delivery=_change),
    C.WEBHOOK: Called(secret={"secret": webhook.SECRET}, delivery=_envelope),
}


def test_every_door_is_in_the_contract():
    assert set(CALLED) == set(DOORS)


def test_the_vector_of_meta_holds():
    body = b'{"object":"page"}'
    good = {"x-hub-signature-256": "sha256=b38a2f589e8e63c7fc3318ee5fad162aa1c05bd62cb1ec87c9a61641619505e2"}
    DOORS[C.WHATSAPP].verify(body, good, secret={"app_secret": "appsecret"}, now=AT)
    for at in range(len(body)):
        changed = bytes([*body[:at], body[at] ^ 1, *body[at + 1 :]])
        with pytest.raises(SignatureError):
            DOORS[C.WHATSAPP].verify(changed, good, secret={"app_secret": "appsecret"}, now=AT)


@pytest.mark.parametrize("channel", CALLED, ids=str)
def test_a_delivery_is_proven_and_a_changed_one_is_not(channel):
    door, called = DOORS[channel], CALLED[channel]
    body, headers = called.delivery(1)
    door.verify(body, headers, secret=called.secret, now=AT)
    other = {
        name: base64.b64encode(hashlib.sha256(value.encode()).digest()).decode()
        for name, value in called.secret.items()
    }
    if channel is C.WEBHOOK:
        other = {"secret": webhook.OTHER_SECRET}
    wrong: list[tuple[bytes, dict[str, str], dict[str, str]]] = [
        (body, {}, called.secret),
        (body, headers, {}),
        (body, headers, dict.fromkeys(called.secret, "")),
        (body, headers, other),
        *((body, {**headers, name: ""}, called.secret) for name in headers),
        *((body, {**headers, name: value + "0"}, called.secret) for name, value in headers.items()),
        *((body, {**headers, name: "è" * 9}, called.secret) for name in headers),
    ]
    if called.signs_body:
        wrong += [
            (body + b" ", headers, called.secret),
            (body[:-1], headers, called.secret),
            (b"", headers, called.secret),
        ]
    for content, lines, secret in wrong:
        with pytest.raises(SignatureError):
            door.verify(content, lines, secret=secret, now=AT)


@pytest.mark.parametrize("channel", CALLED, ids=str)
def test_an_event_has_the_same_name_whenever_it_comes_and_another_one_another(channel):
    door, config = DOORS[channel], {"phone_number_id": whatsapp.NUMBER_ID}
    names = []
    for number in (1, 2, 1, 3, 2):
        body, headers = CALLED[channel].delivery(number)
        (piece,) = door.split(body, headers, config=config)
        names.append(piece.event_id)
        assert PARSERS[channel](piece.raw)
    assert len(set(names)) == 3
    assert (names[0], names[1]) == (names[2], names[4])


MAD = [
    b"",
    b"null",
    b"7",
    b"[]",
    b"{}",
    b"\x00",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"update_id": {}, "message": []}',
    b'{"update_id": 1, "inline_query": {"id": 4}}',
    b'{"entry": 7, "object": []}',
    b'{"entry": [null, {"changes": [null, {"value": {"messages": [{}], "statuses": [7]}}]}]}',
    b'{"type": "x.y", "data": null}',
    b'{"type": ["message.received"], "data": {"from": 4}}',
    b'{"type": "message.received", "data": {"from": {"id": 1e400}, "text": 5}}',
]


@pytest.mark.parametrize("channel", CALLED, ids=str)
@pytest.mark.parametrize("body", MAD)
def test_madness_is_one_piece_and_refused_by_name_or_unread(channel, body):
    for piece in DOORS[channel].split(body, {}, config={"phone_number_id": whatsapp.NUMBER_ID}):
        assert piece.event_id
        with contextlib.suppress(InboundError):
            assert all(isinstance(event, Unread) or event.event_id for event in PARSERS[channel](piece.raw))
