"""Credentials are bound to their row, and tokens to us."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.channels.base import ChannelKind
from crm.db import new_id
from crm.outreach.links import Links, PreferenceToken
from crm.outreach.secrets import Keyring, SecretError

RING = Keyring.of("dGVzdC1jaGFubmVsLWtleS0zMi1ieXRlcy1sb25nISE")
LINKS = Links("https://example.com", b"k" * 32)


def test_a_secret_comes_back_for_its_own_row_only():
    workspace_id, row_id = new_id(), new_id()
    blob = RING.seal({"secret": "s3cret"}, workspace_id=workspace_id, row_id=row_id)
    assert RING.open(blob, workspace_id=workspace_id, row_id=row_id) == {"secret": "s3cret"}
    assert b"s3cret" not in blob
    for moved in ({"workspace_id": new_id(), "row_id": row_id}, {"workspace_id": workspace_id, "row_id": new_id()}):
        with pytest.raises(SecretError, match="not for this row"):
            RING.open(blob, **moved)


def test_a_key_can_be_replaced_in_use():
    ids = {"workspace_id": new_id(), "row_id": new_id()}
    old = RING.seal({"secret": "x"}, **ids)
    both = Keyring.of("a new passphrase, dGVzdC1jaGFubmVsLWtleS0zMi1ieXRlcy1sb25nISE")
    assert both.open(old, **ids) == {"secret": "x"}
    assert not both.is_current(old)
    new = both.seal({"secret": "x"}, **ids)
    assert both.is_current(new)
    with pytest.raises(SecretError, match="no such key"):
        RING.open(new, **ids)


@given(st.binary(max_size=80))
def test_damaged_bytes_are_refused(blob):
    with pytest.raises(SecretError):
        RING.open(blob, workspace_id=new_id(), row_id=new_id())


@given(channel=st.sampled_from(list(ChannelKind)))
def test_a_preference_token_says_who_and_on_which_channel(channel):
    token = PreferenceToken(workspace_id=new_id(), contact_id=new_id(), channel=channel)
    text = LINKS.preference_token(token)
    assert len(text) <= 78
    assert LINKS.read_preference_token(text) == token
    assert replace(LINKS, key=b"x" * 32).read_preference_token(text) is None


@given(st.text(max_size=100))
def test_what_we_did_not_sign_is_nobody(text):
    assert LINKS.read_preference_token(text) is None
    assert LINKS.read_reply_token(text) is None


@given(position=st.integers(0, 60), letter=st.sampled_from("abcXYZ019-_"))
def test_a_changed_letter_makes_a_token_worthless(position, letter):
    token = PreferenceToken(workspace_id=new_id(), contact_id=new_id(), channel=ChannelKind.EMAIL)
    text = LINKS.preference_token(token)
    changed = text[:position] + letter + text[position + 1 :]
    assert (LINKS.read_preference_token(changed) is None) is (changed != text)


def test_a_reply_token_fits_beside_a_mailbox_and_survives_other_capitals():
    message_id = new_id()
    text = LINKS.reply_token(message_id)
    assert len(text) <= 43
    assert text.isalnum()
    assert LINKS.read_reply_token(text.upper()) == message_id
    assert LINKS.read_preference_token(text) is None


def test_the_unsubscribe_headers_are_those_of_the_standard():
    token = PreferenceToken(workspace_id=new_id(), contact_id=new_id(), channel=ChannelKind.EMAIL)
    headers = LINKS.unsubscribe_headers(token)
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert LINKS.preference_token(token) in headers["List-Unsubscribe"]
    assert headers["List-Unsubscribe"] == f"<{LINKS.one_click_url(token)}>"
