"""Why a guarded request failed: short codes for programs, and none of the details a port scanner would want."""

from enum import StrEnum
from typing import Final


class NetCode(StrEnum):
    """One reason each; safe to store and to show."""

    URL = "url"
    SCHEME = "scheme"
    PORT = "port"
    FORBIDDEN_ADDRESS = "forbidden_address"
    DNS = "dns"
    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    CERTIFICATE = "certificate"
    TIMEOUT = "timeout"
    TOO_BIG = "too_big"
    ENCODING = "encoding"
    REDIRECTS = "redirects"
    INSECURE_REDIRECT = "insecure_redirect"
    ROBOTS = "robots"
    PROTOCOL = "protocol"


_PASSING: Final = {
    NetCode.DNS,
    NetCode.CONNECT,
    NetCode.CONNECT_TIMEOUT,
    NetCode.TLS,
    NetCode.TIMEOUT,
    NetCode.PROTOCOL,
}


class NetError(Exception):
    """A request that was refused by our rules or failed on the way.

    `has_begun` tells whether a byte of it may have left: only without it is it certain that the other side saw nothing.
    """

    def __init__(self, code: NetCode, *, has_begun: bool = False) -> None:
        super().__init__(code.value)
        self.code = code
        self.has_begun = has_begun

    @property
    def may_pass(self) -> bool:
        """Whether the same request can succeed later without anybody changing anything."""
        return self.code in _PASSING
