"""Letters as they were laid out: their layout stays, and nothing in them acts or asks for anything."""

import re

import pytest
from factories.attack_letters import ATTACKS, attacks
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.channels.html import html_to_text
from crm.channels.letters import MAX_PICTURES, clean_letter, letter_page

EVIL = "https://evil.example"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
ELEMENT = re.compile(r"<([a-z0-9-]+)((?:\s+[a-z-]+=\"[^\"]*\")*)>")
ATTRIBUTE = re.compile(r"([a-z-]+)=\"([^\"]*)\"")
ACTING = {"script", "style", "iframe", "frame", "object", "embed", "form", "input", "button", "meta", "link", "base",
          "svg", "math", "video", "audio", "source", "picture", "template", "portal"}  # fmt: skip


def dangers(html: str) -> list[str]:
    """What a browser could act upon, or ask elsewhere for."""
    found = []
    for name, inside in ELEMENT.findall(html):
        found += [name] if name in ACTING else []
        for attribute, value in ATTRIBUTE.findall(inside):
            plain = re.sub(r"[\x00-\x20]", "", value).lower()
            if attribute.startswith("on") or attribute in {"srcset", "background", "action", "ping", "id", "class"}:
                found.append(attribute)
            elif attribute == "src" and not plain.startswith(("cid:", "data:image/")):
                found.append(f"src={value}")
            elif attribute == "href" and not plain.startswith(("http://", "https://", "mailto:", "tel:")):
                found.append(f"href={value}")
            elif attribute == "style" and re.search(r"url|image|expression|position|import|\\", plain):
                found.append(f"style={value}")
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_in_an_attack_is_left_to_act(name):
    kept = clean_letter(attacks(EVIL)[name])
    assert dangers(kept) == []
    page = letter_page(kept, pictures={}, title="x", language="en")
    assert dangers(page.partition("<body>")[2]) == []


@pytest.mark.parametrize("name", ATTACKS)
def test_a_letter_that_was_never_cleaned_is_cleaned_when_it_is_shown(name):
    page = letter_page(attacks(EVIL)[name], pictures={"picture@mail": PNG}, title="x", language="en")
    assert dangers(page.partition("<body>")[2]) == []


@given(st.lists(st.sampled_from(sorted(ATTACKS.values())), min_size=2, max_size=3), st.integers(0, 400))
@settings(max_examples=60)
def test_no_mixture_of_attacks_is_left_to_act(pieces, cut):
    assert dangers(clean_letter("".join(piece[cut % 40 :] for piece in pieces))) == []


def test_cleaning_twice_is_cleaning_once():
    for html in attacks(EVIL).values():
        once = clean_letter(html)
        assert html_to_text(clean_letter(once)) == html_to_text(once)


def test_the_layout_of_an_honest_letter_stays():
    html = (
        '<table width="600" style="border-collapse:collapse"><tr><td style="color:#333;padding:8px;font-size:14px" '
        'align="center">Gentile <b>Anna</b></td></tr></table><p style="margin-top:-900px;text-align:right">ciao</p>'
        '<a href="https://studio.example/listino">Listino</a>'
    )
    kept = clean_letter(html)
    assert 'style="color:#333;padding:8px;font-size:14px"' in kept
    assert 'width="600"' in kept
    assert '<p style="text-align:right">' in kept
    assert 'target="_blank"' in kept
    assert 'rel="noopener noreferrer nofollow"' in kept


def test_a_picture_that_came_inside_is_shown_once_and_only_as_what_it_is():
    html = '<img src="cid:logo@mail" alt="logo"><img src="cid:logo@mail"><img src="cid:page@mail"><img src="cid:none">'
    pictures = {"logo@mail": PNG, "page@mail": b"<svg onload=alert(1)>"}
    page = letter_page(clean_letter(html), pictures=pictures, title="x", language="it")
    assert page.count("data:image/png;base64,") == 1
    assert "svg" not in page
    assert "cid:" not in page


def test_pictures_beyond_what_a_page_can_carry_are_left_out():
    html = "".join(f'<img src="cid:{number}">' for number in range(3))
    pictures = {str(number): PNG + b"\x00" * (MAX_PICTURES // 2) for number in range(3)}
    assert letter_page(html, pictures=pictures, title="x", language="it").count("data:image/png") == 1


def test_the_title_can_not_leave_its_place():
    page = letter_page("<p>a</p>", pictures={}, title="</title><script>x</script>", language='"><script>')
    assert "<script>" not in page
