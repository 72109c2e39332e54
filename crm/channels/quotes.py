"""What a person wrote now, without the history their mail program added below, and whether it is a stop word."""

import re
import unicodedata
from typing import Final

#: Whole short messages that mean "write to me no more" on every channel.
STOP_WORDS: Final = frozenset({"stop", "basta", "cancella", "cancellami", "disiscrivimi", "unsubscribe"})

_MAX_LINE: Final = 1_000
_INTRO_LINES: Final = 4
_WROTE = re.compile(
    r"(?:>?\s*)(?:Il (?:giorno )?|In data |On |Am |Le ).{4,400}(?:ha scritto|hai scritto|wrote|schrieb|a écrit)\s*:?",
    re.IGNORECASE,
)
_WROTE_BEGIN = re.compile(r"(?:Il (?:giorno )?|In data |On |Am |Le )\S", re.IGNORECASE)
_DIVIDER = re.compile(
    r"-{2,}\s*(?:Messaggio (?:originale|inoltrato)|(?:Original|Forwarded) message|Original-Nachricht)\s*-{2,}",
    re.IGNORECASE,
)
_UNDERLINE = re.compile(r"_{20,}")
_HEADER_FROM = re.compile(r"\*?(?:Da|From|Von|De)\s?:\*?\s?\S.*", re.IGNORECASE)
_HEADER_SENT = re.compile(r"\*?(?:Inviato|Data|Sent|Date|Gesendet|Envoyé)\s?:\*?\s?\S.*", re.IGNORECASE)
_FOOTERS: Final = re.compile(r"(?:Inviato da|Sent from|Ottieni Outlook|Get Outlook|Scarica Outlook)\b.*", re.IGNORECASE)


def strip_quotes(text: str) -> str:
    """Give what was written now. When nothing is left (all of it was quoted), give the whole text.

    Answers written between or below the quoted lines are kept.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at][:_MAX_LINE].strip()
        if line.startswith(">"):
            at += 1
            continue
        if _DIVIDER.fullmatch(line) or _is_header_block(lines, at):
            break
        intro = _intro_length(lines, at)
        if intro:
            at += intro
            if not _is_followed_by_quote(lines, at):
                break
            continue
        kept.append(lines[at].rstrip())
        at += 1
    result = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return result or "\n".join(lines).strip()


def is_stop_word(text: str) -> bool:
    """Whether the whole message is one stop word: signature, footer, punctuation and case aside."""
    lines: list[str] = []
    for line in strip_quotes(text[:4_000]).split("\n"):
        if line.rstrip() == "--":
            break
        if line.strip() and not _FOOTERS.fullmatch(line.strip()):
            lines.append(line)
    folded = unicodedata.normalize("NFKC", " ".join(lines)).casefold()
    return re.sub(r"[\W_]+", " ", folded).strip() in STOP_WORDS


def _intro_length(lines: list[str], at: int) -> int:
    """How many lines "On ... wrote:" takes here; mail programs wrap it. 0 when there is none."""
    if not _WROTE_BEGIN.match(lines[at].strip()):
        return 0
    joined = ""
    for count in range(1, _INTRO_LINES + 1):
        if at + count > len(lines):
            return 0
        joined = f"{joined} {lines[at + count - 1][:_MAX_LINE].strip()}".strip()
        if _WROTE.fullmatch(joined):
            # "On Monday she wrote:" in the middle of a sentence ends in a colon as well, but names no address or time.
            return count if re.search(r"[@\d]", joined) else 0
    return 0


def _is_followed_by_quote(lines: list[str], at: int) -> bool:
    following = (line.strip() for line in lines[at : at + 3])
    return next((line.startswith(">") for line in following if line), False)


def _is_header_block(lines: list[str], at: int) -> bool:
    """Outlook's way: a rule perhaps, then From and Sent under each other."""
    window = [line[:_MAX_LINE].strip() for line in lines[at : at + 6]]
    if _UNDERLINE.fullmatch(window[0]):
        window = [line for line in window[1:] if line]
    if not window or not _HEADER_FROM.fullmatch(window[0]):
        return False
    return any(_HEADER_SENT.fullmatch(line) for line in window[1:4])
