"""Texts: values stay values, templates stay within limits, and both forms of a mail say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.outreach.content import (
    MAX_TEMPLATE,
    TemplateError,
    Trusted,
    check,
    escape_markdown,
    is_one_line,
    render,
    write_out,
)

nasty = st.text(
    st.sampled_from(list("ab *_`[]()<>#+-=~|\\.!&;:/@\"'\n\r\t{}%1é😀\u202e\u2028")) | st.characters(codec="utf-8"),
    max_size=40,
)


@given(name=nasty)
def test_a_name_can_become_no_markup_and_no_link(name):
    filled = render("Ciao {{ name }}", "Ciao {{ name }}\n\n{{ name }}, a capo", {"name": name}, is_rich=True)
    assert "<a" not in filled.html
    for tag in ("<strong", "<em", "<code", "<pre", "<ul", "<ol", "<li", "<h1", "<blockquote", "<hr"):
        assert tag not in filled.html
    assert "://" not in filled.text
    assert "www." not in filled.text.lower()
    assert is_one_line(filled.subject)


@given(name=st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=30))
def test_a_name_is_read_as_it_was_written(name):
    text, _html = write_out(escape_markdown(name, is_trusted=True))
    assert text == name


def test_a_value_is_never_evaluated_again():
    filled = render("", "{{ name }}", {"name": "{{ secret }}{% if 1 %}", "secret": "x"}, is_rich=True)
    assert filled.text == "{{ secret }}{% if 1 %}"


def test_a_link_of_our_own_is_a_link():
    filled = render("", "[qui]({{ link }})", {"link": Trusted("https://example.com/p/a_b")}, is_rich=True)
    assert filled.html == '<p><a href="https://example.com/p/a_b">qui</a></p>\n'
    assert filled.text == "qui (https://example.com/p/a_b)"


def test_both_forms_say_the_same():
    text, html = write_out(
        "# Listino\n\nCiao **Ann**,\nprima riga\n\n1. uno\n2. due\n   tre\n\n> detto\n> ridetto\n\n---\n\n- a"
    )
    assert text == "Listino\n\nCiao Ann,\nprima riga\n\n1. uno\n2. due\n   tre\n\n> detto\n> ridetto\n\n---\n\n- a"
    assert "<h1>Listino</h1>" in html
    assert "<strong>Ann</strong>,<br>" in html


@pytest.mark.parametrize(
    "source",
    ["<script>alert(1)</script>", "[x](javascript:alert(1))", "[x](data:text/html,x)", '<img src=x onerror="a()">'],
)
def test_markup_that_acts_is_only_shown(source):
    _text, html = write_out(source)
    assert "<script" not in html
    assert "<img" not in html
    assert "href" not in html


def test_images_do_not_travel_along():
    assert "<img" not in write_out("![pixel](https://example.com/p.png)")[1]


def test_missing_values_are_named_and_defaults_are_not_missing():
    body = "{{ contact.first_name }} {{ contact.title | upcase }} {{ contact.city | default: 'qui' }} {{ x }} {{ x }}"
    filled = render("{{ offer.name }}", body, {"contact": {"first_name": "Ann"}}, is_rich=True)
    assert filled.missing == ("offer", "contact.title", "x")
    assert "Ann" in filled.text
    assert "qui" in filled.text


def test_a_condition_on_a_missing_value_is_no_missing_value():
    filled = render("", "{% if contact.city %}da {{ contact.city }}{% else %}qui{% endif %}", {}, is_rich=True)
    assert (filled.text, filled.missing) == ("qui", ())


def test_values_are_compared_as_they_are():
    filled = render("", "{% if city == 'Forlì-Cesena' %}sì{% endif %}", {"city": "Forlì-Cesena"}, is_rich=True)
    assert filled.text == "sì"


def test_a_plain_channel_shows_values_without_marks():
    filled = render("", "Ciao {{ name }} *a*", {"name": "Ann_Bo [1]"}, is_rich=False)
    assert (filled.text, filled.html) == ("Ciao Ann_Bo [1] *a*", "")


@pytest.mark.parametrize(
    "source",
    [
        "{{ x ",
        "{% if x %}",
        "{% include 'passwd' %}",
        "{% render 'passwd' %}",
        "{% capture x %}{% endcapture %}",
        "{% liquid echo 1 %}",
        "a" * (MAX_TEMPLATE + 1),
    ],
)
def test_what_is_no_template_is_refused_at_once(source):
    with pytest.raises(TemplateError):
        check(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ x | nothing }}",
        "{% for i in (1..100000) %}x{% endfor %}",
        "{% for i in (1..900) %}{% for j in (1..900) %}x{% endfor %}{% endfor %}",
        "{% assign x = 'aaaaaaaa' %}{% for i in (1..64) %}{% assign x = x | append: x %}{% endfor %}",
        "{% for i in (1..999) %}{{ big }}{% endfor %}",
    ],
)
def test_a_template_that_grows_without_end_is_stopped(source):
    with pytest.raises(TemplateError):
        render("", source, {"big": "x" * 1000}, is_rich=True)


def test_a_syntax_error_names_its_line():
    with pytest.raises(TemplateError, match="Line 3"):
        check("uno\ndue\n{% if %}")
