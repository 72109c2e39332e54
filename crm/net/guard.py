"""Which addresses may be dialled on behalf of a user or a stranger, and the dialling itself."""

import contextlib
import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from crm.net.errors import NetCode, NetError

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver: TypeAlias = Callable[[str, int], Sequence[str]]

#: Special-purpose ranges (IANA registries, RFC 6890 and later). Python's `is_global` misses multicast, NAT64,
#: 6to4, Teredo, IPv4-compatible and others, so the list is spelt out and `is_global` is asked as well.
FORBIDDEN_RANGES: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_FORBIDDEN_NAMES: Final = ("localhost", "local", "internal", "localdomain", "home.arpa", "onion")
_RESOLVE_SECONDS: Final = 5.0


def is_forbidden(address: str | IPAddress) -> bool:
    """Whether an IP address is outside the public internet. An IPv4-mapped one is always forbidden."""
    ip = ipaddress.ip_address(address) if isinstance(address, str) else address
    return not ip.is_global or any(ip in network for network in FORBIDDEN_RANGES if network.version == ip.version)


def system_resolver(host: str, port: int) -> list[str]:
    """All addresses of `host` by the operating system, in its order of preference, without repeats."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """The gate in front of every dial.

    `allow` comes from the operator's NET_ALLOW alone: host names, addresses or networks that are exempt, also from
    the list of ports. `resolver` gives the addresses of a name and is replaced in tests.
    """

    def __init__(self, *, allow: Iterable[str] = (), resolver: Resolver = system_resolver) -> None:
        self._resolver = resolver
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in allow:
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                self._names.add(entry.lower().rstrip("."))

    def is_exempt(self, host: str) -> bool:
        """Whether the operator exempted this very name or address."""
        name = _plain(host)
        if name in self._names:
            return True
        try:
            return self._is_exempt_address(ipaddress.ip_address(name))
        except ValueError:
            return False

    def addresses(self, host: str, port: int, *, ports: Iterable[int] | None = None, seconds: float) -> list[str]:
        """Resolve `host` once and give its addresses, all of them checked.

        `ports` are the only ports a host may be asked on, unless exempt; `seconds` bounds the look-up. One forbidden
        address refuses the whole name. Raises `NetError`.
        """
        name = _plain(host)
        name_is_exempt = self.is_exempt(name)
        refused_name = any(name == ending or name.endswith(f".{ending}") for ending in _FORBIDDEN_NAMES)
        found = self._resolve(name, port, min(seconds, _RESOLVE_SECONDS))
        for text in found:
            ip = ipaddress.ip_address(text)
            if name_is_exempt or self._is_exempt_address(ip):
                continue
            if refused_name or is_forbidden(ip):
                raise NetError(NetCode.FORBIDDEN_ADDRESS)
            if ports is not None and port not in ports:
                raise NetError(NetCode.PORT)
        return found

    def dial(self, host: str, port: int, *, seconds: float, ports: Iterable[int] | None = None) -> socket.socket:
        """Connect to a checked address of `host` within `seconds` altogether. Raises `NetError`."""
        deadline = time.monotonic() + seconds
        failure: OSError | None = None
        for address in self.addresses(host, port, ports=ports, seconds=seconds):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                connection = socket.create_connection((address, port), timeout=left)
            except OSError as error:
                failure = error
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        if failure is None or isinstance(failure, TimeoutError):
            raise NetError(NetCode.CONNECT_TIMEOUT) from failure
        raise NetError(NetCode.CONNECT) from failure

    def _is_exempt_address(self, ip: IPAddress) -> bool:
        return any(ip in network for network in self._networks if network.version == ip.version)

    def _resolve(self, host: str, port: int, seconds: float) -> list[str]:
        """Ask the resolver in a thread, because getaddrinfo knows no time-out of ours."""
        answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolver(host, port))
            except (OSError, UnicodeError) as error:
                answers.put(error)

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        answer: Sequence[str] | Exception = []
        with contextlib.suppress(queue.Empty):
            answer = answers.get(timeout=max(seconds, 0.001))
        if isinstance(answer, Exception):
            raise NetError(NetCode.DNS) from answer
        if not answer:
            raise NetError(NetCode.DNS)
        return list(answer)


def _plain(host: str) -> str:
    return host.strip("[]").lower().rstrip(".")
