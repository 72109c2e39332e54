"""The guard refuses every address that is not on the public internet."""

import ipaddress
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.net.errors import NetCode, NetError
from crm.net.guard import FORBIDDEN_RANGES, Guard, is_forbidden, system_resolver


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - an address to refuse, not to listen on
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.8",
        "192.88.99.1",
        "192.168.1.1",
        "198.19.255.255",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_special_addresses_are_forbidden(address):
    assert is_forbidden(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "151.1.1.1", "2a00:1450:4002:402::2003"])
def test_public_addresses_pass(address):
    assert not is_forbidden(address)


@given(st.sampled_from(FORBIDDEN_RANGES).flatmap(lambda network: st.ip_addresses(network=network)))
def test_every_address_of_a_forbidden_range_is_forbidden(address):
    assert is_forbidden(address)


def guard(addresses, **options):
    return Guard(resolver=lambda _host, _port: addresses, **options)


def code(action):
    with pytest.raises(NetError) as caught:
        action()
    return caught.value.code


def test_one_bad_address_refuses_the_whole_name():
    mixed = guard(["8.8.8.8", "10.0.0.1"])
    assert code(lambda: mixed.addresses("x.example", 443, seconds=1)) is NetCode.FORBIDDEN_ADDRESS


@pytest.mark.parametrize("name", ["localhost", "printer.local", "db.internal", "LOCALHOST.", "a.localhost"])
def test_local_names_are_refused_even_with_a_public_address(name):
    assert code(lambda: guard(["8.8.8.8"]).addresses(name, 80, seconds=1)) is NetCode.FORBIDDEN_ADDRESS


@pytest.mark.parametrize("host", ["0x7f000001", "2130706433", "0177.0.0.1", "127.1", "127.0.0.1"])
def test_numeric_tricks_are_judged_by_the_address_they_become(host):
    system = Guard(resolver=system_resolver)
    assert code(lambda: system.addresses(host, 80, seconds=5)) is NetCode.FORBIDDEN_ADDRESS


def test_a_port_off_the_list_is_refused():
    assert code(lambda: guard(["8.8.8.8"]).addresses("x.example", 25, ports={80, 443}, seconds=1)) is NetCode.PORT


@pytest.mark.parametrize("entry", ["relay.lan", "10.0.0.5", "10.0.0.0/8", "RELAY.lan."])
def test_the_operator_can_exempt_a_name_an_address_or_a_network(entry):
    exempt = guard(["10.0.0.5"], allow=(entry,))
    assert exempt.addresses("relay.lan", 2525, ports={25}, seconds=1) == ["10.0.0.5"]


def test_an_exempt_name_does_not_exempt_its_neighbours():
    exempt = guard(["10.0.0.5"], allow=("relay.lan",))
    assert code(lambda: exempt.addresses("x.relay.lan", 25, seconds=1)) is NetCode.FORBIDDEN_ADDRESS


def test_a_name_that_does_not_exist_says_so():
    def nobody(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    assert code(lambda: Guard(resolver=nobody).addresses("x.example", 80, seconds=1)) is NetCode.DNS
    assert code(lambda: guard([]).addresses("x.example", 80, seconds=1)) is NetCode.DNS


def test_a_resolver_that_hangs_does_not_hang_the_caller():
    release, done = threading.Event(), threading.Event()

    def hang(host, port):
        release.wait(30)
        done.set()
        return ["8.8.8.8"]

    assert code(lambda: Guard(resolver=hang).addresses("x.example", 80, seconds=0.2)) is NetCode.DNS
    assert not done.is_set()
    release.set()


def test_dial_connects_to_the_address_that_was_checked(site):
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    allowed = Guard(allow=("127.0.0.1",), resolver=rebinding)
    with allowed.dial("rebind.example", site.port, seconds=5) as connection:
        assert ipaddress.ip_address(connection.getpeername()[0]).is_loopback
    assert asked == ["rebind.example"]


def test_dial_tells_a_closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    closed = guard(["127.0.0.1"], allow=("127.0.0.1",))
    assert code(lambda: closed.dial("x.example", port, seconds=5)) is NetCode.CONNECT
