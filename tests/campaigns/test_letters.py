"""What the reviewer sees: values from the record, words that stand only in this draft, and nothing that escapes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.campaigns.letters import compare, marked, shown
from crm.outreach.content import Trusted, fill, write_out

TEMPLATE = "Good morning {{ contact.first_name }},\n\nfor **{{ company.name }}** [here]({{ links.preferences }})."
VALUES = {
    "contact": {"first_name": "Sara"},
    "company": {"name": "Esposito Torrefazione"},
    "links": {"preferences": Trusted("https://example.com/p/1")},
}


def html(template: str, current: str | None = None, values=None) -> str:
    known = values or VALUES
    text = current if current is not None else fill(template, known, as_markdown=True)[0].strip()
    return str(shown(compare(marked(template, known, as_markdown=True), text), is_rich=True))


def test_values_are_marked_where_they_came_from_the_record_and_links_stay_links():
    found = html(TEMPLATE)
    assert '<span class="fd-from-record">Sara</span>' in found
    assert '<strong><span class="fd-from-record">Esposito Torrefazione</span></strong>' in found
    assert '<a href="https://example.com/p/1">here</a>' in found


def test_words_that_a_person_added_are_marked_and_the_values_stay_so():
    edited = (
        "Good morning Sara,\n\nin June you asked me.\n\nfor **Esposito Torrefazione** [here](https://example.com/p/1)."
    )
    found = html(TEMPLATE, edited)
    assert '<span class="fd-from-record">Sara</span>' in found
    assert "fd-only-here" in found
    assert '<span class="fd-only-here">in June you asked me.</span>' in found
    assert "<strong><span" in found


def test_a_name_can_t_become_markup():
    values = {**VALUES, "contact": {"first_name": "<script>alert(1)</script>"}}
    found = html("Good morning {{ contact.first_name }}", values=values)
    assert "<script" not in found
    assert "&lt;script&gt;" in found


def test_plain_channels_show_the_words_to_the_letter():
    found = str(shown("a < b\nsecond\n\nnext", is_rich=False))
    assert found == "<p>a &lt; b<br>second</p><p>next</p>"


@given(current=st.text(alphabet=st.characters(exclude_categories=("Cs", "Co", "Cc")) | st.just("\n"), max_size=80))
def test_marks_never_change_the_words(current):
    template = marked(TEMPLATE, VALUES, as_markdown=True)
    text = compare(template, current)
    assert "".join(letter for letter in text if not "\ue000" <= letter <= "\ue003") == current
    assert text.count("\ue000") == text.count("\ue001")
    assert text.count("\ue002") == text.count("\ue003")


@pytest.mark.parametrize("sign", "*~$=U9")
def test_a_code_reads_the_same_in_a_code_span_and_outside_whatever_its_check_symbol(sign):
    values = {"voucher": {"code": Trusted(f"K7QM-2XPD-9F4T-6WRB-{sign}")}}
    for template in ("Code: `{{ voucher.code }}`", "Code: {{ voucher.code }}"):
        text, markup = write_out(fill(template, values, as_markdown=True)[0])
        assert text == f"Code: K7QM-2XPD-9F4T-6WRB-{sign}"
        assert f"K7QM-2XPD-9F4T-6WRB-{sign}" in markup
