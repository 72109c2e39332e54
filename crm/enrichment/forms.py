"""The form of one source in Settings."""

from wtforms import BooleanField, SelectMultipleField

from crm.enrichment import words
from crm.enrichment.sources.base import Source
from crm.web.forms import Form
from crm.web.i18n import lazy


class SourceForm(Form):
    """Whether a source is used, and which fields it may replace."""

    is_on = BooleanField(lazy("Use this source"))
    always_prefer = SelectMultipleField(
        lazy("May replace without asking"), description=lazy("Never what a person typed.")
    )

    @classmethod
    def for_source(cls, source: Source, *, is_on: bool = False, always_prefer: tuple[str, ...] = ()) -> "SourceForm":
        """The form with the source's own fields to choose from; what was posted wins."""
        form = cls(data={"is_on": is_on, "always_prefer": list(always_prefer)}, prefix=source.name)
        form.always_prefer.choices = [(field, str(words.field_name(field))) for field in source.says]
        return form
