"""Owns what words say about an entry: matching phrases as whole words, without case and accents, by pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from crm.filters.text import normalise
from crm.interactions.kinds import Sentiment, StandardLabel

#: A rule is a word or a short phrase; a text is looked at up to here.
MAX_PHRASE: Final = 80
MAX_TEXT: Final = 20_000
#: Where rules disagree the worse one counts: who thanks us and is disappointed is disappointed.
_WORST_FIRST: Final = (Sentiment.NEGATIVE, Sentiment.POSITIVE, Sentiment.NEUTRAL)
#: What a workspace may start with, Italian and English: phrase, sentiment, label.
EXAMPLES: Final[tuple[tuple[str, Sentiment, StandardLabel | None], ...]] = (
    ("deluso", Sentiment.NEGATIVE, StandardLabel.COMPLAINT),
    ("delusa", Sentiment.NEGATIVE, StandardLabel.COMPLAINT),
    ("reclamo", Sentiment.NEGATIVE, StandardLabel.COMPLAINT),
    ("rimborso", Sentiment.NEGATIVE, StandardLabel.COMPLAINT),
    ("non funziona", Sentiment.NEGATIVE, StandardLabel.COMPLAINT),
    ("pessimo servizio", Sentiment.NEGATIVE, StandardLabel.COMPLAINT),
    ("vergogna", Sentiment.NEGATIVE, None),
    ("truffa", Sentiment.NEGATIVE, None),
    ("grazie mille", Sentiment.POSITIVE, None),
    ("consigliatissimo", Sentiment.POSITIVE, StandardLabel.FEEDBACK),
    ("ottimo servizio", Sentiment.POSITIVE, StandardLabel.FEEDBACK),
    ("disappointed", Sentiment.NEGATIVE, StandardLabel.COMPLAINT),
    ("refund", Sentiment.NEGATIVE, StandardLabel.COMPLAINT),
    ("does not work", Sentiment.NEGATIVE, StandardLabel.COMPLAINT),
    ("awful", Sentiment.NEGATIVE, None),
    ("scam", Sentiment.NEGATIVE, None),
    ("thank you so much", Sentiment.POSITIVE, None),
    ("great service", Sentiment.POSITIVE, StandardLabel.FEEDBACK),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A phrase in its normal form and what it says."""

    phrase_norm: str
    sentiment: Sentiment | None
    label_id: UUID | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules say about a text; None and empty when no rule meets it."""

    sentiment: Sentiment | None = None
    label_ids: tuple[UUID, ...] = ()


NOTHING: Final = Judgement()


def judge(text: str, rules: Iterable[Rule]) -> Judgement:
    """The sentiment and labels of `text`: each rule whose phrase stands in it as whole words, the worst sentiment."""
    plain = normalise(text[:MAX_TEXT])
    met = [rule for rule in rules if _stands(rule.phrase_norm, plain)]
    if not met:
        return NOTHING
    said = {rule.sentiment for rule in met}
    labels = dict.fromkeys(rule.label_id for rule in met if rule.label_id is not None)
    return Judgement(next((mood for mood in _WORST_FIRST if mood in said), None), tuple(labels))


def _stands(phrase: str, text: str) -> bool:
    """Whether `phrase` stands in `text` with no letter or digit right before or after it."""
    at = text.find(phrase) if phrase else -1
    while at >= 0:
        end = at + len(phrase)
        before = text[at - 1 : at] if at else ""
        if not before.isalnum() and not text[end : end + 1].isalnum():
            return True
        at = text.find(phrase, at + 1)
    return False
