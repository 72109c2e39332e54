"""robots.txt is read as RFC 9309 says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.net.robots import parse_robots

TEXT = """\ufeff# comment
User-agent: Other
User-agent: *
Disallow: /private   # why
Allow: /private/open
Disallow: /*.pdf$
Disallow: /caff%C3%A8
Disallow:

User-agent: filodiretto
Disallow: /ours
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/robots.txt", True),
        ("/private", False),
        ("/private/x?y=1", False),
        ("/private/open/x", True),
        ("/a/b.pdf", False),
        ("/a/b.pdf?x", True),
        ("/caffè", False),
        ("/ours", True),
    ],
)
def test_the_longest_match_decides(path, allowed):
    assert parse_robots(TEXT, product="Somebody").allows(path) is allowed


def test_our_own_group_replaces_the_one_for_everybody():
    robots = parse_robots(TEXT, product="Filodiretto")
    assert not robots.allows("/ours")
    assert robots.allows("/private")


def test_a_tie_allows():
    assert parse_robots("user-agent: *\ndisallow: /a\nallow: /a", product="F").allows("/a")


def test_two_groups_of_one_agent_are_read_together():
    robots = parse_robots("user-agent: f\ndisallow: /a\n\nuser-agent: f\ndisallow: /b", product="F")
    assert not robots.allows("/a")
    assert not robots.allows("/b")


def test_stars_can_not_make_matching_slow():
    robots = parse_robots("user-agent: *\ndisallow: /" + "*a" * 500 + "$", product="F")
    assert robots.allows("/" + "a" * 499 + "b")
    assert not robots.allows("/" + "a" * 600)


@given(st.text(max_size=300), st.text(max_size=60))
def test_any_text_is_survived(text, path):
    assert parse_robots(text, product="F").allows("/" + path) in {True, False}
