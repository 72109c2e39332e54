"""Words that mean several things."""

from flask import render_template_string

from crm.web.i18n import lazy, lazy_p, pgettext

ITALIAN = {"Accept-Language": "it"}
OWNER = lazy_p("role", "Owner")


def test_a_context_tells_the_senses_of_an_english_word_apart(app):
    with app.test_request_context(headers=ITALIAN):
        assert (str(OWNER), str(lazy("Owner"))) == ("Titolare", "Responsabile")
        assert (pgettext("campaigns", "all"), pgettext("filter", "all")) == ("tutte", "tutti")
        page = render_template_string('{{ pgettext("workspace", "Members") }}, {{ _("Members") }}')
    assert page == "Membri, Iscritti"


def test_a_context_is_never_shown(app):
    with app.test_request_context(headers={"Accept-Language": "en"}):
        assert (str(OWNER), pgettext("campaigns", "all")) == ("Owner", "all")
        assert render_template_string('{{ pgettext("workspace", "Members") }}') == "Members"


def test_the_values_in_a_text_with_a_context_are_no_markup_in_a_page(app):
    with app.test_request_context():
        assert pgettext("anything", "%(share)s%% of %(name)s", share=5, name="<b>") == "5% of <b>"
        shown = render_template_string('{{ pgettext("anything", "100%% of %(name)s", name="<b>") }}')
    assert shown == "100% of &lt;b&gt;"
