"""Owns the base of all forms: CSRF, translated messages, and errors from services beside their fields."""

from flask_wtf import FlaskForm

from crm.errors import AppError
from crm.web.i18n import translated


class Form(FlaskForm):
    """A WTForms form; `absorb` puts a service's refusal beside the fields it names."""

    def absorb(self, error: AppError) -> None:
        """Show `error` in the form: beside its fields, or at the top when it names none of ours."""
        placed = False
        for name, message in error.fields.items():
            field = self._fields.get(name)
            if field is not None:
                field.errors = [*field.errors, translated(message)]
                placed = True
        if not placed:
            self.form_errors.append(translated(error.message) or error.code)
