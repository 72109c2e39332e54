"""The signed webhook: its proof, what it tells, and what its answers mean for a message."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from channels.fakes.web import HangUp, Said
from channels.fakes.webhook import OTHER_SECRET, SECRET, FakeEndpoint, event, signed

from crm.channels.base import (
    Outbound,
    OutcomeKind,
    PublicPost,
    Reachability,
    Receipt,
    ReceiptKind,
    Reply,
    SignatureError,
    Started,
    Unread,
)
from crm.channels.mail_parts import InboundError
from crm.channels.setup import ConfigError
from crm.channels.webhook import WebhookAdapter
from crm.channels.webhook_events import WebhookDoor, parse_webhook, signature
from crm.net.guard import Guard

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LOCAL = Guard(allow=("127.0.0.1",))


@pytest.fixture(scope="module")
def running():
    with FakeEndpoint().running() as fake:
        yield fake


@pytest.fixture
def endpoint(running):
    running.forget()
    return running


@pytest.fixture
def adapter(endpoint):
    return WebhookAdapter({"url": f"{endpoint.base_url}/in"}, LOCAL, secret=SECRET)


def outbound(**more):
    made = {
        "message_id": uuid4(),
        "attempt_no": 1,
        "reference": "<r@x>",
        "from_address": "",
        "to_address": "ada",
        "subject": "Ciao",
        "text": "Buongiorno è",
        "date": NOW,
    }
    return Outbound(**{**made, **more})


def test_the_vector_of_the_standard_holds():
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    name = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, name=name, seconds=1614265330, body=body) == expected
    headers = {"webhook-id": name, "webhook-timestamp": "1614265330", "webhook-signature": expected}
    at = datetime.fromtimestamp(1614265330, UTC)
    WebhookDoor().verify(body, headers, secret={"secret": secret}, now=at + timedelta(minutes=4))
    for changed in (b'{"test": 2432232315}', b'{"test":2432232314}', b""):
        with pytest.raises(SignatureError):
            WebhookDoor().verify(changed, headers, secret={"secret": secret}, now=at)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"webhook-signature": ""}, "mismatch"),
        ({"webhook-signature": "v1,AAAA"}, "mismatch"),
        ({"webhook-signature": "v2,è"}, "mismatch"),
        ({"webhook-id": "msg_2"}, "mismatch"),
        ({"webhook-id": "msg.1"}, "missing"),
        ({"webhook-id": ""}, "missing"),
        ({"webhook-timestamp": "1"}, "out_of_time"),
        ({"webhook-timestamp": "now"}, "missing"),
        ({"webhook-timestamp": "٣"}, "missing"),
        ({"webhook-timestamp": "9" * 12}, "out_of_time"),
    ],
)
def test_a_forged_delivery_is_refused_before_it_is_read(change, code):
    headers = {**signed(b"{}", at=NOW), **change}
    with pytest.raises(SignatureError) as refused:
        WebhookDoor().verify(b"{}", headers, secret={"secret": SECRET}, now=NOW)
    assert refused.value.code == code


def test_one_of_several_signatures_and_one_of_two_secrets_are_enough():
    headers = signed(b"{}", at=NOW)
    headers["webhook-signature"] = f"v1a,xyz v1,AAAA {headers['webhook-signature']}"
    WebhookDoor().verify(b"{}", headers, secret={"secret": f"{OTHER_SECRET} {SECRET}"}, now=NOW)
    for secret in ({}, {"secret": ""}, {"secret": "whsec_"}, {"secret": "whsec_è"}):
        with pytest.raises(SignatureError):
            WebhookDoor().verify(b"{}", headers, secret=secret, now=NOW)


def test_a_message_a_comment_and_a_mention_are_read():
    (message,) = parse_webhook(event(in_reply_to="abc"))
    assert isinstance(message, Reply)
    assert (message.event_id, message.platform_id, message.from_address, message.text, message.in_reply_to) == (
        "m-1",
        "u-1",
        "ada",
        "Ciao!",
        "abc",
    )
    assert message.occurred_at == NOW - timedelta(minutes=1)
    post = {"post_url": "https://x.example/p/1#c"}
    (comment,) = parse_webhook(event("comment.received", **post, parent_url="https://x.example/p/1"))
    (mention,) = parse_webhook(event("mention.received", **post))
    assert isinstance(comment, PublicPost)
    assert isinstance(mention, PublicPost)
    assert (comment.parent_url, mention.parent_url) == ("https://x.example/p/1", "")
    assert parse_webhook(event(text="STOP"))[0].opt_out


def test_receipts_starts_and_blocks_are_read():
    (failed,) = parse_webhook(event("message.failed", message_id="42", reason="unreachable", code="no_such"))
    assert isinstance(failed, Receipt)
    assert (failed.kind, failed.remote_id, failed.outcome, failed.code) == (
        ReceiptKind.FAILED,
        "42",
        OutcomeKind.PERMANENT,
        "no_such",
    )
    (read,) = parse_webhook(event("message.read", message_id="42"))
    assert (read.kind, read.outcome) == (ReceiptKind.READ, None)
    (started,) = parse_webhook(event("person.started", token="t0ken", text=None))
    assert isinstance(started, Started)
    assert started.payload == "t0ken"
    (blocked,) = parse_webhook(event("person.blocked"))
    assert isinstance(blocked, Reachability)
    assert (blocked.platform_id, blocked.reachable) == ("u-1", False)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "unreadable"),
        (b"\xff\xfe{}", "unreadable"),
        (b"[]", "unreadable"),
        (b"[" * 100_000, "unreadable"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "unreadable"),
        (b'{"data": {}}', "no_type"),
        (b'{"type": 7.5}', "no_type"),
        (event(**{"from": None}), "no_author"),
        (event(**{"from": {"name": "x"}}), "no_author"),
        (event(**{"from": ["u-1"]}), "no_author"),
        (event(text=None), "no_text"),
        (event(text={"a": 1}), "no_text"),
        (event("comment.received"), "no_post_url"),
        (event("mention.received", post_url="javascript:alert(1)"), "no_post_url"),
        (event("message.read"), "no_message_id"),
        (event("person.blocked", **{"from": {}}), "no_author"),
    ],
)
def test_what_is_broken_is_refused_with_a_code(raw, code):
    with pytest.raises(InboundError, match=code):
        parse_webhook(raw)


def test_an_unknown_type_is_kept_unread_and_a_number_as_id_is_its_digits():
    (unread,) = parse_webhook(event("order.paid"))
    assert isinstance(unread, Unread)
    assert unread.what == "order.paid"
    (message,) = parse_webhook(event(id=7, **{"from": {"id": 12345678901234567890}}))
    assert (message.event_id, message.platform_id) == ("7", "12345678901234567890")


def test_what_leaves_is_one_signed_post_with_the_same_id_at_every_try(adapter, endpoint):
    first = outbound()
    outcome = adapter.send(first)
    assert (outcome.kind, outcome.remote_id) == (OutcomeKind.ACCEPTED, str(first.message_id))
    adapter.send(first)
    ((name, data),) = endpoint.taken.items()
    assert name == f"msg_{first.message_id.hex}"
    assert (data["type"], data["data"]["to"]["address"], data["data"]["text"]) == (
        "message.send",
        "ada",
        "Buongiorno è",
    )
    assert adapter.check().ok


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Said(200), OutcomeKind.ACCEPTED),
        (Said(204), OutcomeKind.ACCEPTED),
        (Said(302, headers={"location": "http://127.0.0.1:1/"}), OutcomeKind.POLICY),
        (Said(400), OutcomeKind.CONTENT),
        (Said(403), OutcomeKind.POLICY),
        (Said(408), OutcomeKind.RETRY_LATER),
        (Said(410), OutcomeKind.AUTH),
        (Said(429), OutcomeKind.RETRY_LATER),
        (Said(500), OutcomeKind.RETRY_LATER),
        (HangUp(is_done=False), OutcomeKind.UNKNOWN),
        (HangUp(is_done=True), OutcomeKind.UNKNOWN),
    ],
)
def test_an_answer_means_one_thing(adapter, endpoint, said, kind):
    endpoint.script.append(said)
    assert adapter.send(outbound()).kind is kind
    assert len(endpoint.asked) == 1


def test_a_pause_is_read_in_both_forms(adapter, endpoint):
    endpoint.script.append(Said(429, headers={"retry-after": "7"}))
    assert adapter.send(outbound()).not_before == NOW + timedelta(seconds=7)
    date = "Mon, 23 Nov 2026 10:05:00 GMT"
    endpoint.script.append(Said(503, headers={"retry-after": date}))
    assert adapter.send(outbound()).not_before is not None


def test_an_address_that_is_not_allowed_holds_the_account_and_a_dead_one_is_tried_later():
    inside = WebhookAdapter({"url": "https://10.0.0.1/in"}, Guard(), secret=SECRET)
    assert inside.send(outbound()).kind is OutcomeKind.AUTH
    dead = WebhookAdapter({"url": "http://127.0.0.1:1/in"}, LOCAL, secret=SECRET)
    assert dead.send(outbound()).kind is OutcomeKind.RETRY_LATER
    assert not dead.check().ok


@pytest.mark.parametrize(
    ("config", "secret"),
    [
        ({}, SECRET),
        ({"url": 7}, SECRET),
        ({"url": "http://x.example/in"}, SECRET),
        ({"url": "ftp://x.example/in"}, SECRET),
        ({"url": "https://[::1"}, SECRET),
        ({"url": "https://x.example/in"}, ""),
        ({"url": "https://x.example/in"}, "whsec_è"),
    ],
)
def test_settings_that_can_not_be_used_are_named(config, secret):
    with pytest.raises(ConfigError):
        WebhookAdapter(config, LOCAL, secret=secret)


def test_a_text_that_is_too_long_stays_here(adapter, endpoint):
    assert adapter.send(outbound(text="x" * 20_001)).kind is OutcomeKind.CONTENT
    assert not endpoint.asked
    assert adapter.parse(event()) == parse_webhook(event())
    assert json.loads(event())["type"] == "message.received"
