"""docs/channels.md says what the code does: the limits, what each set-up asks for, and each code with its sentence."""

import re
from pathlib import Path
from uuid import UUID

import pytest

from crm.channels.assisted import ASSISTED_CHANNELS, RULES, AssistedAdapter
from crm.channels.base import ChannelKind, Limits
from crm.channels.presets import PROVIDERS
from crm.channels.registry import SETUPS, AccountSpec, adapter_for
from crm.channels.sentences import OUTCOME_SENTENCES, RULE_SENTENCES
from crm.net.guard import Guard

TEXT = (Path(__file__).parents[2] / "docs" / "channels.md").read_text()
#: Enough of a configuration that an adapter can be made.
CONFIG = {
    ChannelKind.EMAIL: {"host": "mail.example", "port": 587, "security": "starttls"},
    ChannelKind.WEBHOOK: {"url": "https://example.com/in"},
    ChannelKind.WHATSAPP: {"phone_number_id": "106540352242922"},
}
SECRET = {"token": "123456789:" + "A" * 35, "send_secret": "whsec_" + "A" * 32, "secret": "x"}
MACHINES = (ChannelKind.EMAIL, *SETUPS)


def part(heading: str) -> str:
    """What stands below a heading of the document, up to the next one of the same or a higher rank."""
    rank = len(heading.partition(" ")[0])
    return re.split(rf"\n#{{1,{rank}}} ", TEXT.partition(f"\n{heading}\n")[2])[0]


def rows(heading: str) -> list[list[str]]:
    lines = [line for line in part(heading).splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def limits_of(kind: ChannelKind, *, by_hand: bool) -> Limits:
    if by_hand:
        return AssistedAdapter(kind).limits
    adapter = adapter_for(
        AccountSpec(channel=kind, public_id=UUID(int=1), config=CONFIG.get(kind, {}), secret=SECRET), Guard(allow=())
    )
    try:
        return adapter.limits
    finally:
        adapter.close()


def told(limits: Limits) -> str:
    """The limits in the words of the document."""
    parts = []
    if limits.max_text is not None:
        parts.append(f"{limits.max_text:,} characters")
    if limits.max_bytes is not None:
        parts.append(f"{limits.max_bytes:,} bytes")
    if limits.per_minute is not None:
        parts.append(f"{limits.per_minute:,} a minute")
    if limits.reply_window is not None:
        parts.append(f"free text for {limits.reply_window.total_seconds() / 3600:g} hours after they wrote")
    return ", ".join(parts) or "none"


def test_the_limits_are_those_of_the_adapters():
    said = {(row[0], row[1]): row[2] for row in rows("## Limits")}
    machines = {(kind.value, "machine"): told(limits_of(kind, by_hand=False)) for kind in MACHINES}
    hands = {(kind.value, "hand"): told(limits_of(kind, by_hand=True)) for kind in ASSISTED_CHANNELS}
    assert said == machines | hands


@pytest.mark.parametrize("setup", SETUPS.values(), ids=[kind.value for kind in SETUPS])
def test_what_a_set_up_asks_for_is_told(setup):
    said = {row[0]: row[1:] for row in rows(f"### {setup.channel.value}")}
    assert said == {one.label: ["yes" if one.is_secret else "no", one.where] for one in setup.settings}
    numbered = [
        line.partition(". ")[2] for line in part(f"### {setup.channel.value}").splitlines() if line[:1].isdigit()
    ]
    assert numbered == list(setup.steps)


def test_the_servers_of_every_provider_are_told():
    said = {row[0]: row[1:] for row in rows("### email")}
    assert said == {
        one.name: [f"{one.host}:{one.port}", f"{one.imap_host}:{one.imap_port}"] for one in PROVIDERS.values()
    }


def test_what_each_network_allows_is_told():
    said = {row[0]: row[1] for row in rows("## By hand")}
    assert said == {kind.value: " ".join(RULE_SENTENCES[code] for code in codes) for kind, codes in RULES.items()}


def test_every_code_of_the_troubles_says_what_the_page_says():
    said = {row[0].strip("`"): row[1] for row in rows("## When something does not work")}
    assert {code: OUTCOME_SENTENCES[code] for code in said} == said
    families = {code.partition("_")[0] for code in OUTCOME_SENTENCES}
    assert families == {code.partition("_")[0] for code in said}
