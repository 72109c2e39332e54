"""Only what was written now counts, and a stop word only when it is the whole message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.channels.quotes import is_stop_word, strip_quotes

GMAIL_IT = """Va bene, giovedì.

Il giorno lun 23 nov 2026 alle ore 10:12 Giulia Ferri <giulia@studio.example>
ha scritto:

> Ciao Anna,
> ti va giovedì?
"""
GMAIL_EN = "Fine.\n\nOn Mon, Nov 23, 2026 at 10:12 AM Giulia <giulia@studio.example> wrote:\n> Hello\n> there\n"
OUTLOOK_IT = """Grazie

________________________________
Da: Giulia Ferri <giulia@studio.example>
Inviato: lunedì 23 novembre 2026 10:12
A: Anna Rossi <anna@cliente.example>
Oggetto: Prova

Ciao Anna"""
OUTLOOK_OLD = "Grazie\n\n-----Messaggio originale-----\nDa: Giulia\nInviato: ieri\n\nCiao Anna"
BETWEEN = """Il giorno 23/11/2026 10:12, Giulia ha scritto:
> Quando?
Giovedì.
> Dove?
Da voi."""
APPLE = "Ok!\n\nIl giorno 23 nov 2026, alle ore 10:12, Giulia <g@studio.example> ha scritto:\n\nCiao Anna,\nti va?"


@pytest.mark.parametrize(
    ("text", "now"),
    [
        (GMAIL_IT, "Va bene, giovedì."),
        (GMAIL_EN, "Fine."),
        (OUTLOOK_IT, "Grazie"),
        (OUTLOOK_OLD, "Grazie"),
        (BETWEEN, "Giovedì.\nDa voi."),
        (APPLE, "Ok!"),
        ("Solo testo\n\n\n\ncon righe", "Solo testo\n\ncon righe"),
        ("Il cliente mi ha scritto:\nvuole lo sconto", "Il cliente mi ha scritto:\nvuole lo sconto"),
        ("Da: domani\nsono in ferie", "Da: domani\nsono in ferie"),
        ("> tutto\n> citato", "> tutto\n> citato"),
        ("", ""),
    ],
)
def test_quoted_history_is_left_out(text, now):
    assert strip_quotes(text) == now
    assert strip_quotes(text.replace("\n", "\r\n")) == now


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        " stop. ",
        "Basta!",
        "cancella",
        "Cancellami!!!",
        "DISISCRIVIMI",
        "unsubscribe",
        "ＳＴＯＰ",
        "Stop\n\nInviato da iPhone",
        "Stop\n-- \nAnna Rossi\nCliente Srl",
        f"STOP\n\n{GMAIL_IT.partition('giovedì.')[2]}",
    ],
)
def test_a_whole_message_that_is_a_stop_word_opts_out(text):
    assert is_stop_word(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "Non stop!",
        "Basta così, grazie, ne parliamo giovedì",
        "stop and go",
        "Cancella l'appuntamento",
        "basto",
    ],
)
def test_anything_longer_is_a_message(text):
    assert not is_stop_word(text)


@given(st.text(alphabet="ab>\n -_:@1OnIlwroteDa", max_size=2_000))
def test_any_text_is_survived_and_never_grows(text):
    assert len(strip_quotes(text)) <= len(text)
    assert is_stop_word(text) in {True, False}
