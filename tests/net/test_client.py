"""The hardened client keeps its rules against servers that do their worst."""

import gzip
import socket
import ssl
import threading

import pytest

from crm.net.client import HttpClient
from crm.net.errors import NetCode, NetError


def refusal(action) -> NetCode:
    with pytest.raises(NetError) as caught:
        action()
    return caught.value.code


def address(site, path="/"):
    return f"http://site.example:{site.port}{path}"


def test_a_page_comes_with_status_headers_and_body(site, client, reply):
    site.answers["/"] = reply(b"ciao", Content_Type="text/html; charset=utf-8", ETag='"1"')
    answer = client.get(address(site), headers={"If-None-Match": '"0"'})
    assert (answer.status, answer.content, answer.media_type) == (200, b"ciao", "text/html")
    assert answer.headers["etag"] == '"1"'
    request = site.requests[-1]
    assert f"host: site.example:{site.port}\r\n".encode() in request.lower()
    assert b"accept-encoding: identity\r\n" in request.lower()
    assert b"user-agent: filodiretto/0.1 (+https://crm.example/)\r\n" in request.lower()
    assert b'if-none-match: "0"\r\n' in request.lower()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://site.example/", NetCode.SCHEME),
        ("file:///etc/passwd", NetCode.SCHEME),
        ("gopher://127.0.0.1/", NetCode.SCHEME),
        ("http://user:pw@site.example/", NetCode.URL),
        ("http:///", NetCode.URL),
        ("http://[::1", NetCode.URL),
        ("http://site.example/" + "a" * 2100, NetCode.URL),
        ("http://public.example:8080/", NetCode.PORT),
        ("http://127.0.0.1/", NetCode.FORBIDDEN_ADDRESS),
        ("http://[::1]/", NetCode.FORBIDDEN_ADDRESS),
        ("http://169.254.169.254/latest/meta-data", NetCode.FORBIDDEN_ADDRESS),
        ("http://nowhere.example/", NetCode.DNS),
    ],
)
def test_a_bad_address_is_refused_before_any_byte_leaves(url, code, client_for):
    careful = client_for(names={"public.example": ["8.8.8.8"]})
    assert refusal(lambda: careful.get(url)) is code


def test_proxies_of_the_environment_are_ignored(site, client, monkeypatch, reply):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    site.answers["/"] = reply(b"direct")
    assert client.get(address(site)).content == b"direct"


def test_redirects_are_followed_three_times_and_no_more(site, client, reply):
    for step in range(4):
        site.answers[f"/{step}"] = reply(b"", status="302 Found", Location=f"/{step + 1}")
    site.answers["/4"] = reply(b"end")
    answer = client.get(address(site, "/1"))
    assert answer.content == b"end"
    assert len(answer.redirected_from) == 3
    assert refusal(lambda: client.get(address(site, "/0"))) is NetCode.REDIRECTS


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.1/", NetCode.FORBIDDEN_ADDRESS),
        ("http://inside.example/", NetCode.FORBIDDEN_ADDRESS),
        ("//169.254.169.254/", NetCode.FORBIDDEN_ADDRESS),
        ("ftp://site.example/", NetCode.SCHEME),
        ("http://public.example:22/", NetCode.PORT),
        ("http://a@site.example/", NetCode.URL),
    ],
)
def test_every_hop_is_checked(site, location, code, client_for, reply):
    careful = client_for(names={"inside.example": ["192.168.0.1"], "public.example": ["8.8.8.8"]})
    site.answers["/"] = reply(b"", status="301 Moved", Location=location)
    assert refusal(lambda: careful.get(address(site))) is code


def test_credentials_stay_with_their_origin(site, client_for, reply):
    careful = client_for(names={"other.example": ["127.0.0.1"]}, allow=("site.example", "other.example"))
    site.answers["/"] = reply(b"", status="302 Found", Location=f"http://other.example:{site.port}/there")
    site.answers["/there"] = reply(b"ok")
    careful.get(address(site), headers={"Authorization": "Bearer s", "Cookie": "a=b", "X-Kept": "1"})
    last = site.requests[-1].lower()
    assert b"authorization" not in last
    assert b"cookie" not in last
    assert b"x-kept: 1" in last


def test_a_slow_drip_ends_at_the_total_time(site, client_for):
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stop.wait(0.05):
            connection.sendall(b".")

    site.answers["/"] = drip
    hurried = client_for(total_seconds=0.6)
    assert refusal(lambda: hurried.get(address(site), robots=False)) is NetCode.TIMEOUT
    stop.set()


def test_a_header_that_never_ends_is_cut(site, client_for):
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.02):
            connection.sendall(b"X-A: b\r\n")

    site.answers["/"] = drip
    hurried = client_for(total_seconds=0.6)
    assert refusal(lambda: hurried.get(address(site), robots=False)) is NetCode.TIMEOUT
    stop.set()


def test_a_huge_body_is_refused_by_its_announcement_and_by_count(site, client_for, reply):
    small = client_for(max_bytes=1000)
    site.answers["/announced"] = reply(b"", Content_Length="1000000")
    site.answers["/counted"] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 5000
    site.answers["/exact"] = reply(b"x" * 1000)
    assert refusal(lambda: small.get(address(site, "/announced"), robots=False)) is NetCode.TOO_BIG
    assert refusal(lambda: small.get(address(site, "/counted"), robots=False)) is NetCode.TOO_BIG
    assert len(small.get(address(site, "/exact"), robots=False).content) == 1000


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "GZIP"])
def test_a_compressed_body_is_refused_unread(site, client, encoding, reply):
    bomb = gzip.compress(b"0" * 10_000_000)
    site.answers["/"] = reply(bomb, Content_Encoding=encoding)
    assert refusal(lambda: client.get(address(site))) is NetCode.ENCODING


def test_a_server_that_talks_nonsense_or_hangs_up_is_a_protocol_error(site, client):
    site.answers["/nonsense"] = b"SSH-2.0-OpenSSH_9\r\n\r\n"
    site.answers["/silent"] = lambda connection: connection.shutdown(socket.SHUT_RDWR)
    assert refusal(lambda: client.get(address(site, "/nonsense"), robots=False)) is NetCode.PROTOCOL
    assert refusal(lambda: client.get(address(site, "/silent"), robots=False)) is NetCode.PROTOCOL


def test_robots_txt_is_asked_once_and_obeyed(site, client, reply):
    site.answers["/robots.txt"] = reply(b"User-agent: *\nDisallow: /private\n")
    site.answers["/"] = reply(b"home")
    assert client.get(address(site)).content == b"home"
    assert refusal(lambda: client.get(address(site, "/private/x"))) is NetCode.ROBOTS
    assert sum(b"GET /robots.txt" in request for request in site.requests) == 1


def test_a_broken_robots_txt_forbids_and_a_missing_one_allows(site, client, client_for, reply):
    site.answers["/"] = reply(b"home")
    assert client.get(address(site)).status == 200
    second = client_for()
    site.answers["/robots.txt"] = reply(b"", status="503 Busy")
    assert refusal(lambda: second.get(address(site))) is NetCode.ROBOTS


def test_post_follows_nothing(site, client, reply):
    site.answers["/hook"] = reply(b"", status="307 Temporary Redirect", Location="/other")
    answer = client.post(address(site, "/hook"), content=b'{"a":1}', headers={"Content-Type": "application/json"})
    assert answer.status == 307
    assert len(site.requests) == 1


def test_tls_keeps_the_name_and_checks_the_certificate(site, certificate, client_for, reply):
    site.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    site.tls.load_cert_chain(certificate)
    site.tls.sni_callback = lambda _socket, name, _context: site.names.append(name)
    site.answers["/"] = reply(b"secret")
    trusting = ssl.create_default_context(cafile=str(certificate))
    url = f"https://site.example:{site.port}/"
    assert client_for(tls=trusting).get(url, robots=False).content == b"secret"
    assert site.names == ["site.example"]
    assert refusal(lambda: client_for().get(url, robots=False)) is NetCode.CERTIFICATE
    other = client_for(tls=trusting, names={"other.example": ["127.0.0.1"]}, allow=("other.example",))
    other_url = f"https://other.example:{site.port}/"
    assert refusal(lambda: other.get(other_url, robots=False)) is NetCode.CERTIFICATE


def test_https_never_falls_back_to_http(site, certificate, client_for, reply):
    site.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    site.tls.load_cert_chain(certificate)
    site.answers["/"] = reply(b"", status="302 Found", Location="http://site.example/")
    trusting = client_for(tls=ssl.create_default_context(cafile=str(certificate)))
    assert (
        refusal(lambda: trusting.get(f"https://site.example:{site.port}/", robots=False)) is NetCode.INSECURE_REDIRECT
    )


def test_international_names_are_asked_in_their_ascii_form(site, client_for, reply):
    careful: HttpClient = client_for(names={"xn--caff-8oa.example": ["127.0.0.1"]}, allow=("127.0.0.1",))
    site.answers["/"] = reply(b"espresso")
    assert careful.get(f"http://caffè.example:{site.port}/").content == b"espresso"
    assert b"host: xn--caff-8oa.example" in site.requests[-1].lower()


def test_a_failure_tells_whether_anything_can_have_arrived(client, client_for, site):
    site.answers["/"] = lambda connection: connection.close()
    with pytest.raises(NetError) as caught:
        client.post(f"http://site.example:{site.port}/", content=b"x", headers={})
    assert caught.value.has_begun
    nobody = client_for(names={"site.example": []})
    with pytest.raises(NetError) as caught:
        nobody.post(f"http://site.example:{site.port}/", content=b"x", headers={})
    assert not caught.value.has_begun
