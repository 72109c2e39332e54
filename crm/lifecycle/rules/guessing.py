"""What a file probably is and what its columns probably mean: from its header, its first values and its name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crm.channels.addresses import channel_of_url
from crm.channels.base import ChannelKind
from crm.contacts.custom_rules import FieldShape
from crm.contacts.kinds import Lifecycle
from crm.filters.text import normalise
from crm.lifecycle.rules import presets
from crm.lifecycle.rules.columns import ADDRESSES, Meaning, Own, Target, guess, own_columns
from crm.lifecycle.rules.people import month_comes_first
from crm.lifecycle.rules.presets import Program
from crm.lifecycle.rules.tables import FileKind

#: How many rows are looked at.
SAMPLE_ROWS: Final = 50
#: Columns with the name of an account, without saying of which network.
_ACCOUNTS: Final = frozenset(
    {"username", "user name", "user_name", "handle", "screen name", "screen_name", "account", "profile", "profilo",
     "nome utente", "nickname", "profile url", "profile_url", "link", "profile link", "user"}
)  # fmt: skip
_NETWORKS: Final = {
    "instagram": Target.INSTAGRAM, "linkedin": Target.LINKEDIN, "twitter": Target.X, "telegram": Target.TELEGRAM,
    "facebook": Target.MESSENGER, "mastodon": Target.MASTODON, "bluesky": Target.BLUESKY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What is offered before anybody chooses."""

    mapping: dict[str, Meaning]
    program: Program | None = None
    month_first: bool = False
    new_lifecycle: Lifecycle | None = None


def suggest(
    *,
    kind: FileKind,
    name: str,
    columns: Sequence[str],
    certain: Mapping[str, Meaning],
    rows: Iterable[Sequence[str]],
    own: Sequence[FieldShape] = (),
) -> Suggestion:
    """What to offer for a file called `name`; `certain` is what the kind of file says about its columns.

    `own` are the fields of the workspace's own.
    """
    if kind in {FileKind.FOLLOWERS, FileKind.FOLLOWING}:
        stage = Lifecycle.FOLLOWER if kind is FileKind.FOLLOWERS else None
        return Suggestion(dict(certain), Program.INSTAGRAM, new_lifecycle=stage)
    if certain:
        known = {field.key for field in own}
        gone = {column for column, meant in certain.items() if isinstance(meant, Own) and meant.key not in known}
        return Suggestion({**certain, **dict.fromkeys(gone, Target.IGNORE)})
    preset = presets.recognise(columns)
    values = _by_column(columns, rows)
    mapping = (
        _with_own(presets.meanings(preset, columns), columns, own)
        if preset
        else _with_accounts(guess(list(columns), own), values, name)
    )
    days = [day for column, target in mapping.items() if target is Target.BIRTHDAY for day in values[column]]
    order = month_comes_first(days)
    return Suggestion(
        mapping,
        preset.program if preset else None,
        month_first=order if order is not None else bool(preset and preset.month_first),
        new_lifecycle=Lifecycle.FOLLOWER if not preset and "follower" in normalise(name) else None,
    )


def _by_column(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {column: [] for column in columns}
    for row in rows:
        for column, cell in zip(columns, row, strict=False):
            if cell:
                values[column].append(cell)
    return values


def _with_own(mapping: Mapping[str, Target], columns: Sequence[str], own: Sequence[FieldShape]) -> dict[str, Meaning]:
    """What a known program leaves open goes to the workspace's own fields of the same name."""
    called = own_columns(columns, own)
    return {
        column: called.get(column, target) if target is Target.IGNORE else target for column, target in mapping.items()
    }


def _with_accounts(mapping: dict[str, Meaning], values: Mapping[str, Sequence[str]], name: str) -> dict[str, Meaning]:
    """Columns of profile pages by the network of their links; then account names by the same network or the file's."""
    found = dict(mapping)
    for column, target in mapping.items():
        networks = {known[0] if (known := channel_of_url(text)) else None for text in values[column] if "/" in text}
        if target in {Target.IGNORE, Target.LINKEDIN} and len(networks) == 1 and None not in networks:
            channel: ChannelKind = next(kind for kind in networks if kind is not None)
            found[column] = Target(channel.value)
    linked = {target for target in found.values() if target in ADDRESSES - {Target.EMAIL, Target.PHONE}}
    named = next((target for word, target in _NETWORKS.items() if word in normalise(name)), None)
    network = named or (linked.pop() if len(linked) == 1 else None)
    if network is not None:
        found |= {
            column: network
            for column, target in found.items()
            if target is Target.IGNORE and normalise(column) in _ACCOUNTS and _are_accounts(values[column])
        }
    return found


def _are_accounts(values: Sequence[str]) -> bool:
    return bool(values) and not any(" " in text.strip() for text in values)
