"""What the page that sets up an account must ask for, channel by channel: each entry stands with its adapter."""

from collections.abc import Sequence
from dataclasses import dataclass

from crm.channels.base import ChannelKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One credential or setting: its `name` in the account's config or secrets, and the sentence where it comes from.

    `label` and `where` are marked with `N_` and shown in the reader's language. `pattern` must match the whole value.
    """

    name: str
    label: str
    where: str
    is_secret: bool = False
    is_required: bool = True
    pattern: str = ".*"
    max_length: int = 500
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSetup:
    """How an account of a channel is set up.

    `steps` are sentences marked with `N_`, in the order in which they are done at the platform. `address_label` and
    `address_where` are about the account's own address (bot name, number). `has_webhook`: the page shows the address
    that the platform must call; `polls`: we can ask instead, when nobody can reach us. `per_minute` is the pace that
    the platform takes from one account, with which a new one begins.
    """

    channel: ChannelKind
    steps: Sequence[str]
    address_label: str
    address_where: str
    settings: Sequence[Setting]
    has_webhook: bool = False
    polls: bool = False
    per_minute: int | None = None


class ConfigError(ValueError):
    """The stored settings of an account can't be used; `fields` names the wrong ones."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__("config")
        self.code = "config"
        self.fields = tuple(fields)
