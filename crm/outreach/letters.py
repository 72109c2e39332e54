"""Owns the words of the mails to colleagues about the inbox: the morning digest, and a key person who answered.

Whoever reads them has no session, so they are not in the catalogues.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_LANGUAGES: Final = ("en", "it")

_DIGEST: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "subject": "What waits for you today in {house}",
        "hello": "Good morning {name},",
        "answers": "Waiting for an answer:",
        "complaints": "Negative and unanswered:",
        "promises": "Promised for today or before:",
        "end": "The inbox: {url}\n\nYou chose this mail. Change it here: {settings}",
    },
    "it": {
        "subject": "Che cosa ti aspetta oggi in {house}",
        "hello": "Buongiorno {name},",
        "answers": "Aspettano una risposta:",
        "complaints": "Negativi e senza risposta:",
        "promises": "Promesso per oggi o per prima:",
        "end": "La posta: {url}\n\nQuesta e-mail l’hai scelta tu. Puoi cambiarla qui: {settings}",
    },
}
_KEY: Final[Mapping[str, tuple[str, str]]] = {
    "en": (
        "{who} has answered",
        """Hello {name},

{who} has answered. Read it here:

{url}

You chose this mail. Change it here: {settings}
""",
    ),
    "it": (
        "{who} ha risposto",
        """Ciao {name},

{who} ha risposto. Leggi qui:

{url}

Questa e-mail l’hai scelta tu. Puoi cambiarla qui: {settings}
""",
    ),
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One line of a digest: who waits, and what was said or promised."""

    name: str
    text: str


def language_of(locale: str) -> str:
    """The language of a mail to a colleague: theirs, if it is one of ours."""
    return next((language for language in _LANGUAGES if locale.startswith(language)), "en")


def digest_letter(
    *,
    locale: str,
    name: str,
    house: str,
    parts: Mapping[str, Sequence[Waiting]],
    url: str,
    settings: str,
) -> tuple[str, str]:
    """(subject, text) of a digest; `parts` by the names "answers", "complaints" and "promises"."""
    words = _DIGEST[language_of(locale)]
    blocks = [words["hello"].format(name=name)]
    for part, lines in parts.items():
        if lines:
            blocks.append("\n".join([words[part], *(_line(line) for line in lines)]))
    blocks.append(words["end"].format(url=url, settings=settings))
    return words["subject"].format(house=_one_line(house)), "\n\n".join(blocks) + "\n"


def key_letter(*, locale: str, name: str, who: str, url: str, settings: str) -> tuple[str, str]:
    """(subject, text) about a key person who answered."""
    subject, text = _KEY[language_of(locale)]
    return subject.format(who=_one_line(who)), text.format(name=name, who=_one_line(who), url=url, settings=settings)


def _line(line: Waiting) -> str:
    who, text = _one_line(line.name), _one_line(line.text)
    return f"- {who}: {text}" if who and text else f"- {who or text}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:160]
