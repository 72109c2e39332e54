"""What people read when a text is no template: the line, and what to write instead."""

import pytest

from crm.errors import InvalidInputError
from crm.outreach import services
from crm.outreach.content import TemplateError, check
from crm.outreach.services import TemplateInput


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Hi {{ contact.nam", "Line 1: a field is opened with {{ and not closed. Write }} behind its name."),
        ("a\nHi {{ contact.name\n{{ company.name }}", "Line 2: a field is opened with {{ and not closed."),
        ("a\n\n{% if contact.city", "Line 3: {% is not closed. Write %} at its end."),
        (
            "a\n{% if contact.city %}b",
            "Line 2: {% if %} is opened here and never ends. Write {% endif %} where it ends.",
        ),
        ("{% endif %}", "Line 1: {% endif %} ends something that was not begun."),
        ("{% if a %}x{% endfor %}", "Line 1: {% endfor %} ends something that was not begun."),
        ("{% else %}", "Line 1: {% else %} stands outside of its condition."),
        (
            "{% include 'x' %}",
            "Line 1: “include” is not known here. You can use assign, case, comment, for, if, u",
        ),
        ("a\n{{ }}", "Line 2: {{ }} is empty. Write a field into it, like {{ contact.first_name }}."),
        ("{{ 'abc }}", "Line 1: what stands in the curly brackets can’t be understood."),
        ("a\n\n{{ a b }}", "Line 3: what stands in the curly brackets can’t be understood."),
        ("a\n{{ contact.name | upcas }}", "Line 2: there is no filter “upcas”. Did you mean “upcase”?"),
        ("{{ contact.name | zzzzz }}", "Line 1: there is no filter “zzzzz”. Remove it."),
    ],
)
def test_a_mistake_is_said_with_its_line_and_what_to_write(source, said):
    with pytest.raises(TemplateError) as refused:
        check(source)
    assert refused.value.message.startswith(said)


@pytest.mark.parametrize(
    ("field", "source", "said"),
    [
        (
            "body",
            "Hi\n{{ contact.nam }}",
            "Line 2: there is no field {{ contact.nam }}. Did you mean {{ contact.name }}?",
        ),
        ("body", "{{ first_name }}", "Did you mean {{ contact.first_name }}?"),
        ("subject", "{{ zzz }}", "Line 1: there is no field {{ zzz }}. Choose one from the list beside the text."),
    ],
)
def test_a_field_that_does_not_exist_is_refused_beside_the_text(session, actor, now, field, source, said):
    words = {"name": "Thanks", "subject": "Hi", "body": "Hello", field: source}
    with pytest.raises(InvalidInputError) as refused:
        services.create_template(session, actor, data=TemplateInput(**words), now=now)
    assert said in refused.value.fields[field]


def test_pages_say_it_in_the_reader_s_language(client, session, house):
    data = {"name": "x", "purpose": "personal", "channel": "email", "language": "it", "subject": "Hi"}
    page = client.post("/settings/templates/new", data={**data, "body": "Hi\n{{ contact.nam }}"})
    assert page.status_code == 422
    assert "Did you mean {{ contact.name }}?" in page.text
    house.user.locale = "it"
    session.flush()
    page = client.post("/settings/templates/new", data={**data, "body": "Hi\n{{ contact.nam }}"})
    assert "Riga 2: il campo {{ contact.nam }} non esiste. Volevi dire {{ contact.name }}?" in page.text
    assert (
        "Riga 1: un campo si apre con {{"
        in client.post("/settings/templates/new", data={**data, "body": "Hi {{ x"}).text
    )
