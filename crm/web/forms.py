"""Owns the base of all forms: CSRF, translated messages, and errors from services beside their fields."""

from collections.abc import MutableMapping
from typing import Any

from flask_wtf import FlaskForm
from markupsafe import Markup, escape
from wtforms import Field, PasswordField, StringField
from wtforms.widgets import Select

from crm.errors import AppError
from crm.web.characters import visible
from crm.web.i18n import translated


def _without_invisible(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value


class _Select(Select):
    """The same drop-down, its plain choices written without sorting and joining attributes: a page has dozens."""

    @classmethod
    def render_option(cls, choice: Any, **attributes: Any) -> Markup:  # pyright: ignore[reportIncompatibleMethodOverride] - its stubs know an older one.
        """One choice (of `wtforms.fields.choices`)."""
        if choice.render_kw or attributes:
            return super().render_option(choice, **attributes)
        selected = " selected" if choice.selected else ""
        label = escape(choice.label or choice.value)
        return Markup(f'<option{selected} value="{escape(str(choice.value))}">{label}</option>')  # noqa: S704 - escaped.


_SELECTS = {False: _Select(), True: _Select(multiple=True)}


class Form(FlaskForm):
    """A WTForms form; `absorb` puts a service's refusal beside the fields it names."""

    class Meta(FlaskForm.Meta):
        """Drops what nobody can see from every typed text."""

        def bind_field(self, form: Any, unbound_field: Any, options: MutableMapping[str, Any]) -> Field:
            """The field of a form, with a filter of its own when it holds text."""
            kind = unbound_field.field_class
            if issubclass(kind, StringField) and not issubclass(kind, PasswordField):
                options = {**options, "filters": [*unbound_field.kwargs.get("filters", ()), _without_invisible]}
            field = super().bind_field(form, unbound_field, options)
            if type(field.widget) is Select:
                field.widget = _SELECTS[field.widget.multiple]
            return field

    def absorb(self, error: AppError) -> None:
        """Show `error` in the form: beside its fields, or at the top when it names none of ours."""
        placed = False
        for name, message in error.fields.items():
            field = self._fields.get(name)
            if field is not None:
                said = translated(message)
                # A page can ask its services twice, to save and to preview: the same refusal is told once.
                field.errors = [*(told for told in field.errors if told != said), said]
                placed = True
        if not placed:
            self.form_errors.append(translated(error.message) or error.code)
