"""The one HTTP client for addresses that users or strangers supply."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import certifi
import httpcore
import httpx

from crm.net.errors import NetCode, NetError
from crm.net.guard import Guard
from crm.net.robots import MAX_ROBOTS_BYTES, Robots, parse_robots

PRODUCT: Final = "Filodiretto"
MAX_BYTES: Final = 2 * 1024 * 1024
TOTAL_SECONDS: Final = 10.0
MAX_REDIRECTS: Final = 3
MAX_URL: Final = 2048
WEB_PORTS: Final = frozenset({80, 443})
_ROBOTS_KEPT_SECONDS: Final = 3600.0
_ROBOTS_KEPT: Final = 512
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_FORBID_ALL: Final = Robots(((False, "/"),))
_ALLOW_ALL: Final = Robots(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole answer: final address, status, headers by lower-case name, and the body (2 MiB at most)."""

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    redirected_from: tuple[str, ...] = field(default=())

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpClient:
    """Fetches with every rule applied: see `Guard` for addresses; here ports, hops, size, time and robots.

    `contact_url` goes into the user agent so that a site's owner can find us; a platform knows us by our credentials.
    `tls` replaces the trust store in tests. Safe to use from several threads: nothing but the robots cache is shared.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        contact_url: str = "",
        version: str,
        tls: ssl.SSLContext | None = None,
        total_seconds: float = TOTAL_SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._guard = guard
        self._tls = tls or _trusted()
        self._total_seconds = total_seconds
        self._max_bytes = max_bytes
        self._user_agent = f"{PRODUCT}/{version} (+{contact_url})" if contact_url else f"{PRODUCT}/{version}"
        self._robots: dict[str, tuple[float, Robots]] = {}

    def get(self, url: str, *, headers: Mapping[str, str] | None = None, robots: bool = True) -> Response:
        """Fetch `url`, following at most 3 redirects, in 10 seconds altogether.

        `robots` asks robots.txt of each host first. Any HTTP status is an answer. Raises `NetError`.
        """
        return self._request("GET", url, headers=headers or {}, content=None, hops=MAX_REDIRECTS, robots=robots)

    def post(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> Response:
        """Send `content` to `url` once, following nothing. Raises `NetError`.

        A code that `may_pass` does not say that the other side saw nothing; `has_begun` tells whether it can have.
        """
        return self._request("POST", url, headers=headers, content=content, hops=0, robots=False)

    def _request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None, hops: int, robots: bool
    ) -> Response:
        deadline = time.monotonic() + self._total_seconds
        target = _parse(url)
        sent = {name.lower(): value for name, value in headers.items()}
        visited: list[str] = []
        while True:
            if robots and not self._robots_of(target, deadline).allows(target.raw_path.decode("ascii")):
                raise NetError(NetCode.ROBOTS)
            answer = self._exchange(method, target, sent, content, deadline=deadline, max_bytes=self._max_bytes)
            location = answer.headers.get("location")
            if (hops == 0 and not visited) or answer.status not in _REDIRECTS or location is None:
                return Response(
                    url=str(target),
                    status=answer.status,
                    headers=answer.headers,
                    content=answer.content,
                    redirected_from=tuple(visited),
                )
            if len(visited) == hops:
                raise NetError(NetCode.REDIRECTS)
            visited.append(str(target))
            target = _redirect(target, location, sent)

    def _robots_of(self, url: httpx.URL, deadline: float) -> Robots:
        """The site's rules, kept for an hour. RFC 9309: 4xx allows all, 5xx and no answer forbid all."""
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        kept = self._robots.get(origin)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        target = httpx.URL(f"{origin}/robots.txt")
        hops = 0
        while True:
            answer = self._exchange("GET", target, {}, None, deadline=deadline, max_bytes=MAX_ROBOTS_BYTES)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None or hops == MAX_REDIRECTS:
                break
            hops += 1
            target = _redirect(target, location, {})
        if answer.status >= httpx.codes.INTERNAL_SERVER_ERROR:
            robots = _FORBID_ALL
        elif answer.status == httpx.codes.OK:
            robots = parse_robots(answer.content.decode("utf-8", "replace"), product=PRODUCT)
        else:
            robots = _ALLOW_ALL
        if len(self._robots) >= _ROBOTS_KEPT:
            self._robots.clear()
        self._robots[origin] = (time.monotonic() + _ROBOTS_KEPT_SECONDS, robots)
        return robots

    def _exchange(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        content: bytes | None,
        *,
        deadline: float,
        max_bytes: int,
    ) -> Response:
        """One request and its whole answer over one connection of its own."""
        lines = {
            "host": url.netloc.decode("ascii"),
            "user-agent": self._user_agent,
            "accept": "*/*",
            "accept-encoding": "identity",
            **headers,
        }
        if content is not None:
            lines["content-length"] = str(len(content))
        request_url = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        progress = _Progress()
        with (
            _as_net_error(deadline, progress),
            httpcore.ConnectionPool(
                ssl_context=self._tls,
                max_connections=1,
                max_keepalive_connections=0,
                network_backend=_GuardedBackend(self._guard, deadline, progress),
            ) as pool,
            pool.stream(
                method,
                request_url,
                headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in lines.items()],
                content=content,
            ) as answer,
        ):
            received = _headers(answer.headers)
            return Response(
                url=str(url),
                status=answer.status,
                headers=received,
                content=_body(answer.iter_stream(), received, max_bytes),
            )


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """The trust store, read once: it takes longer than a message."""
    return ssl.create_default_context(cafile=certifi.where())


def _parse(url: str) -> httpx.URL:
    if len(url) > MAX_URL:
        raise NetError(NetCode.URL)
    try:
        target = httpx.URL(url.strip())
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise NetError(NetCode.URL) from error
    return _checked(target)


def _checked(target: httpx.URL) -> httpx.URL:
    if target.scheme not in {"http", "https"}:
        raise NetError(NetCode.SCHEME)
    if not target.host or target.userinfo:
        raise NetError(NetCode.URL)
    return target.copy_with(fragment=None)


def _redirect(current: httpx.URL, location: str, headers: dict[str, str]) -> httpx.URL:
    """The next hop, checked; credentials in `headers` are dropped when the origin changes."""
    if len(location) > MAX_URL:
        raise NetError(NetCode.URL)
    try:
        following = _checked(current.join(location))
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise NetError(NetCode.URL) from error
    if current.scheme == "https" and following.scheme != "https":
        raise NetError(NetCode.INSECURE_REDIRECT)
    if (current.scheme, current.netloc) != (following.scheme, following.netloc):
        for name in _CREDENTIALS & headers.keys():
            del headers[name]
    return following


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; a repeated one is joined by a comma."""
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _body(chunks: Iterable[bytes], headers: Mapping[str, str], max_bytes: int) -> bytes:
    """Read the body up to the limit. A compressed body was not asked for and may be a bomb, so it is refused."""
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise NetError(NetCode.ENCODING)
    with contextlib.suppress(ValueError):
        if int(headers.get("content-length", "0")) > max_bytes:
            raise NetError(NetCode.TOO_BIG)
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            raise NetError(NetCode.TOO_BIG)
    return bytes(body)


@dataclass(slots=True)
class _Progress:
    """How far one request came: whether its first byte may have left (the handshake before it doesn't count)."""

    has_begun: bool = False


@contextlib.contextmanager
def _as_net_error(deadline: float, progress: _Progress) -> Iterator[None]:
    """Turn every failure of the transport into one of our codes."""
    try:
        yield
    except NetError as error:
        error.has_begun = progress.has_begun
        raise
    except (httpcore.TimeoutException, TimeoutError) as error:
        raise NetError(NetCode.TIMEOUT, has_begun=progress.has_begun) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as error:
        code = NetCode.TIMEOUT if time.monotonic() >= deadline else _code_of(error)
        raise NetError(code, has_begun=progress.has_begun) from error


def _code_of(error: BaseException) -> NetCode:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NetCode.CERTIFICATE
        if isinstance(cause, ssl.SSLError):
            return NetCode.TLS
        cause = cause.__cause__ or cause.__context__
    return NetCode.PROTOCOL


class _GuardedBackend(httpcore.NetworkBackend):
    """Dials checked addresses only, whatever the pool asks for, and puts one deadline over everything."""

    def __init__(self, guard: Guard, deadline: float, progress: _Progress) -> None:
        self._guard = guard
        self._deadline = deadline
        self._progress = progress

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline of the whole request replaces it
        local_address: str | None = None,  # noqa: ARG002 - part of the interface
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - part of the interface
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline)
        connection = self._guard.dial(host, port, seconds=left, ports=WEB_PORTS)
        return _TimedStream(connection, self._deadline, self._progress)


class _TimedStream(httpcore.NetworkStream):
    """A stream whose reads and writes share one deadline, so that a slow drip can't keep it alive."""

    def __init__(self, connection: socket.socket, deadline: float, progress: _Progress) -> None:
        self._socket = connection
        self._deadline = deadline
        self._progress = progress

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline replaces it
        self._socket.settimeout(_left(self._deadline))
        try:
            return self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise NetError(NetCode.TIMEOUT) from error
        except OSError as error:
            raise httpcore.ReadError(error) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline replaces it
        self._socket.settimeout(_left(self._deadline))
        self._progress.has_begun = True
        try:
            self._socket.sendall(buffer)
        except TimeoutError as error:
            raise NetError(NetCode.TIMEOUT) from error
        except OSError as error:
            raise httpcore.WriteError(error) from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline replaces it
    ) -> httpcore.NetworkStream:
        self._socket.settimeout(_left(self._deadline))
        try:
            secured = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except BaseException:
            self._socket.close()
            raise
        return _TimedStream(secured, self._deadline, self._progress)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket):
            return self._socket
        return None


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise NetError(NetCode.TIMEOUT)
    return left
