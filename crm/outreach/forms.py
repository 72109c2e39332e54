"""Forms of outreach: a message, an answer, a sender account, a template."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any

from wtforms import (
    BooleanField,
    DateField,
    DateTimeLocalField,
    Field,
    IntegerField,
    MultipleFileField,
    PasswordField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
    TimeField,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional, ValidationError
from wtforms.widgets import HiddenInput

from crm.accounts.forms import ZONES
from crm.channels.addresses import AddressError, normalise
from crm.channels.base import ChannelKind
from crm.channels.presets import PROVIDERS, is_certified, provider_of
from crm.clock import local_instant
from crm.consent.kinds import Purpose
from crm.errors import AppError
from crm.outreach import services
from crm.outreach.network_models import NetworkTemplate
from crm.outreach.networks import PUBLIC, is_post_url, network_of
from crm.outreach.pasted import MAX_PASTED
from crm.outreach.services.letters import Upload
from crm.outreach.words import CHANNELS, PURPOSES
from crm.web.forms import Form
from crm.web.i18n import _, lazy, lazy_p, translated

NOW, AT = "now", "at"
#: Beside which field of an account the result of a check belongs, by the start of its code; the first match counts.
_BLAMED = (
    ("imap_connect_port", "imap_port"),
    ("imap_connect", "imap_host"),
    ("imap_certificate", "imap_host"),
    ("imap_starttls", "imap_security"),
    ("imap_needs_tls", "imap_security"),
    ("imap_no_sent", "imap_folder"),
    ("imap_config", "imap_username"),
    ("imap_refused", "imap_password"),
    ("imap_", "imap_host"),
    ("auth_needs_tls", "security"),
    ("auth_", "password"),
    ("starttls", "security"),
    ("tls_", "host"),
    ("connect_port", "port"),
    ("connect_", "host"),
    ("greeting_", "host"),
    ("ehlo_", "host"),
    ("config", "host"),
)
WRITTEN = (Purpose.PERSONAL, Purpose.PROMOTIONAL, Purpose.SERVICE)


class WhenForm(Form):
    """Now or at a time, in the zone of whoever plans."""

    when = RadioField(lazy("When"), choices=[(NOW, lazy("Now")), (AT, lazy("At a time"))], default=NOW)
    on = DateField(lazy("Day"), validators=[Optional()])
    at = TimeField(lazy("Time"), validators=[Optional()])

    def moment(self, *, tz: str) -> datetime | None:
        """The chosen instant, None for now."""
        if self.when.data != AT or self.on.data is None:
            return None
        return local_instant(self.on.data, self.at.data or time(9), tz=tz)

    def validate(self, extra_validators: Mapping[str, Sequence[Any]] | None = None) -> bool:
        """A planned message needs its day; an optional field is not asked by itself when it is empty."""
        valid = super().validate(extra_validators)
        if self.when.data == AT and self.on.data is None:
            self.on.errors = [*self.on.errors, _("Choose the day.")]
            return False
        return valid

    def absorb(self, error: AppError) -> None:
        """What services call `send_at` or `at` is the day here."""
        for name in ("send_at", "at"):
            if name in error.fields:
                error.fields["on"] = error.fields.pop(name)
        super().absorb(error)


class FilesForm(WhenForm):
    """A text that files may travel with."""

    files = MultipleFileField(
        lazy("Files"), description=lazy("By e-mail, 18 MB altogether; on its way a file grows by a third.")
    )

    def uploads(self) -> list[Upload]:
        """The files that were chosen, in their order."""
        return [
            Upload(name=file.filename, media_type=file.mimetype or "application/octet-stream", stream=file.stream)
            for file in self.files.data or ()
            if getattr(file, "filename", "")
        ]


class MessageForm(FilesForm):
    channel = SelectField(lazy("Channel"))
    account_id = SelectField(lazy("From"), default="")
    purpose = SelectField(lazy("What it is for"), choices=[(kind.value, PURPOSES[kind]) for kind in WRITTEN])
    subject = StringField(lazy("Subject"), validators=[Length(max=200)])
    body = TextAreaField(lazy("Text"), validators=[DataRequired(lazy("Write something.")), Length(max=20_000)])


class ApprovedFields(Form):
    """The choice of a template that the network approved, and what goes into its gaps."""

    approved_id = SelectField(lazy("Approved template"), validate_choice=False)
    gap_1 = StringField()
    gap_2 = StringField()
    gap_3 = StringField()
    gap_4 = StringField()
    gap_5 = StringField()
    gap_6 = StringField()
    gap_7 = StringField()
    gap_8 = StringField()
    gap_9 = StringField()
    gap_10 = StringField()
    #: The template that the network approved and that goes instead of a text.
    approved: NetworkTemplate | None = None

    @property
    def gaps(self) -> list[Field]:
        """The fields of the gaps that the approved template has."""
        wanted = services.gaps_of(self.approved.body) if self.approved else 0
        found = [self._fields[f"gap_{number}"] for number in range(1, wanted + 1)]
        for number, field in enumerate(found, start=1):
            field.label.text = _("Gap %(number)s", number=number)
        return found

    @property
    def chosen(self) -> services.ChosenTemplate | None:
        """What was chosen and written into its gaps."""
        if self.approved is None:
            return None
        return services.ChosenTemplate(self.approved.id, [str(field.data or "") for field in self.gaps])

    def offer_approved(self, found: Sequence[NetworkTemplate], *, or_else: str) -> None:
        """Let one of `found` be chosen; without one it is `or_else`."""
        named = ((str(row.id), f"{row.name} ({row.language})") for row in found)
        self.approved_id.choices = [("", or_else), *named]
        self.approved = next((row for row in found if str(row.id) == self.approved_id.data), None)
        self.approved_id.data = str(self.approved.id) if self.approved else ""

    @property
    def preview(self) -> str | None:
        """The chosen template as it will read."""
        return services.previewed(self.approved, self.chosen) if self.approved and self.chosen else None


class ReplyTemplateForm(ApprovedFields, WhenForm):
    """An answer in words that the network approved."""


class ReplyForm(FilesForm):
    body = TextAreaField(lazy("Answer"), validators=[DataRequired(lazy("Write something.")), Length(max=20_000)])


class MoveForm(WhenForm):
    """Another time for a planned message."""


#: What the choice of a provider calls a server of one's own.
OWN_SERVER = "other"


class AccountForm(Form):
    name = StringField(
        lazy("Name"),
        description=lazy("For you and your colleagues; empty means the address."),
        validators=[Length(max=80)],
    )
    provider = SelectField(
        lazy("Mail provider"),
        choices=[
            ("", lazy("Tell by the address")),
            *((provider.key, provider.name) for provider in PROVIDERS.values()),
            (OWN_SERVER, lazy("Another one: I write the servers myself")),
        ],
        default="",
        description=lazy("With a domain of your own, choose where its mailboxes are."),
    )
    address = StringField(lazy_p("sender account", "Address"), validators=[DataRequired(), Length(max=320)])
    display_name = StringField(lazy("Name that people see"), validators=[Length(max=120)])
    is_sandbox = BooleanField(
        lazy("Sandbox"), description=lazy("Everything stays on this machine; you can answer as each person.")
    )
    host = StringField(lazy("Outgoing mail server (SMTP)"), validators=[Length(max=200)])
    port = IntegerField(lazy("Port"), default=587, validators=[InputRequired(), NumberRange(1, 65535)])
    security = SelectField(
        lazy("Encryption"), choices=[("starttls", "STARTTLS"), ("tls", "TLS"), ("none", lazy("None, local relay only"))]
    )
    username = StringField(lazy("User name"), validators=[Length(max=200)])
    password = PasswordField(
        lazy("Password"),
        description=lazy("Kept encrypted and never shown again."),
        validators=[Length(max=500)],
    )
    imap_host = StringField(
        lazy("Incoming mail server (IMAP)"),
        description=lazy("Optional. When it is unclear whether a message left, we look for it among the sent mail."),
        validators=[Length(max=200)],
    )
    imap_port = IntegerField(lazy("Port"), default=993, validators=[Optional(), NumberRange(1, 65535)])
    imap_security = SelectField(lazy("Encryption"), choices=[("tls", "TLS"), ("starttls", "STARTTLS")], default="tls")
    imap_username = StringField(
        lazy("User name"), description=lazy("Empty means the one above."), validators=[Length(max=200)]
    )
    imap_password = PasswordField(
        lazy("Password"),
        description=lazy("Only where it differs."),
        validators=[Length(max=500)],
    )
    imap_folder = StringField(
        lazy("Folder of sent mail"),
        description=lazy("Empty means that we find it ourselves."),
        validators=[Length(max=250)],
    )
    files_sent = BooleanField(
        lazy("The server files what it sends"),
        description=lazy(
            "Gmail and Microsoft 365 keep a copy of every message in the folder of sent mail; many others don’t. It "
            "never sends anything again by itself: it only says how much a missing copy proves."
        ),
    )
    per_minute = IntegerField(lazy("At most per minute"), validators=[Optional(), NumberRange(1, 10_000)])
    per_hour = IntegerField(lazy("At most per hour"), validators=[Optional(), NumberRange(1, 100_000)])
    per_day = IntegerField(lazy("At most per day"), validators=[Optional(), NumberRange(1, 1_000_000)])
    time_zone = SelectField(
        lazy("Time zone"),
        choices=ZONES,
        default="Europe/Rome",
        description=lazy("The day of the daily limit begins at midnight here."),
    )
    per_domain = IntegerField(
        lazy("At most per minute to one mail domain"),
        description=lazy("When a domain asks us to slow down, we do so by ourselves, also without a limit."),
        validators=[Optional(), NumberRange(1, 10_000)],
    )
    signature = TextAreaField(lazy("Signature"), validators=[Length(max=2000)])

    def fill_in(self) -> None:
        """Fill in what the provider says, where no server is given; the address stands for the name and the user."""
        address = (self.address.data or "").strip()
        self.name.data = (self.name.data or "").strip() or address[:80]
        if self.is_sandbox.data:
            return
        known = PROVIDERS.get(self.provider.data or "") or (provider_of(address) if not self.provider.data else None)
        if known is not None and not self.host.data:
            for name, value in known.servers().items():
                self._fields[name].data = value
        if known is not None:
            self.username.data = self.username.data or address

    def blame(self, code: str, sentence: str) -> None:
        """Put what a check has found beside the field that it is about."""
        found = next((name for start, name in _BLAMED if code.startswith(start)), None)
        if found == "imap_password" and not self.imap_password.data and not self.imap_username.data:
            found = "password"
        if found is None:
            self.form_errors = [*self.form_errors, sentence]
        else:
            field = self._fields[found]
            field.errors = [*field.errors, sentence]

    def validate_address(self, field: StringField) -> None:
        """Tell a bent address together with whatever else is wrong."""
        if is_certified(str(field.data)):
            raise ValidationError(_("This is a certified mailbox (PEC): use it for registered mail, not for talking."))
        try:
            normalise(ChannelKind.EMAIL, str(field.data))
        except AddressError as error:
            raise ValidationError(translated(error.sentence)) from error

    def validate_host(self, field: StringField) -> None:
        """A mailbox has a server; only the sandbox needs none."""
        if not self.is_sandbox.data and not field.data:
            raise ValidationError(_("Choose the provider, or write the name of the mail server."))


class RewordForm(Form):
    """Other words for one person, of a message that waits to be sent by hand."""

    body = TextAreaField(lazy("Text"), validators=[DataRequired(), Length(max=20_000)])
    version = IntegerField(validators=[Optional()], widget=HiddenInput())


class HeardForm(Form):
    """Words that somebody answered elsewhere, pasted or shared into the app."""

    channel = SelectField(lazy("Where they answered"))
    text = TextAreaField(
        lazy("Their words"),
        description=lazy("One message, or several copied from the chat with their dates and names."),
        validators=[DataRequired(lazy("Paste what they wrote.")), Length(max=MAX_PASTED)],
    )
    happened_at = DateTimeLocalField(
        lazy("When"),
        format="%Y-%m-%dT%H:%M",
        description=lazy("Empty means now; dates in the text come first."),
        validators=[Optional()],
    )
    who = SelectField(lazy("Which of them is it?"), validate_choice=False)


class PublicPostForm(Form):
    """A comment or mention that everybody can read."""

    post_url = StringField(
        lazy("Link to the comment"),
        description=lazy("Copy it from the network: it says which one it is."),
        validators=[DataRequired(lazy("Paste the link of the comment.")), Length(max=2000)],
    )
    channel = SelectField(
        lazy("Network"),
        choices=[("", lazy("Tell by the link")), *((kind.value, CHANNELS[kind]) for kind in PUBLIC)],
        default="",
    )
    author = StringField(
        lazy("Who wrote it"), description=lazy("Their name on the network, like @name."), validators=[Length(max=320)]
    )
    text = TextAreaField(
        lazy("Their words"), validators=[DataRequired(lazy("Paste what they wrote.")), Length(max=20_000)]
    )
    is_negative = BooleanField(lazy("It is negative"), description=lazy("It waits on Today until somebody answered."))

    def network(self) -> ChannelKind | None:
        """The chosen network, else that of the link."""
        if self.channel.data:
            return ChannelKind(self.channel.data)
        return network_of(self.post_url.data or "")

    def validate_post_url(self, field: StringField) -> None:
        """A link that can be opened, of a network that is known or chosen."""
        if not is_post_url((field.data or "").strip()):
            raise ValidationError(_("Write a web address."))
        if not self.channel.data and network_of(str(field.data)) is None:
            raise ValidationError(_("This link does not say its network: choose it below."))


class SignInForm(Form):
    """The application with which an account signs in at its provider."""

    provider = SelectField(lazy("Provider"), choices=[("google", "Google"), ("microsoft", "Microsoft 365")])
    client_id = StringField(lazy("Client id"), validators=[DataRequired(), Length(max=300)])
    client_secret = PasswordField(
        lazy("Client secret"),
        description=lazy("Kept encrypted and never shown again. Leave empty to keep the one that is there."),
        validators=[Length(max=500)],
    )
    tenant = StringField(
        lazy("Tenant"),
        description=lazy("Microsoft only, and only when the application belongs to one organisation."),
        validators=[Length(max=100)],
    )


class TemplateForm(Form):
    name = StringField(lazy("Name"), validators=[DataRequired(), Length(max=120)])
    purpose = SelectField(lazy("What it is for"), choices=[(kind.value, PURPOSES[kind]) for kind in WRITTEN])
    channel = SelectField(lazy("Channel"), choices=[(kind.value, label) for kind, label in CHANNELS.items()])
    language = SelectField(lazy("Language"), choices=[("it", "Italiano"), ("en", "English")])
    subject = StringField(lazy("Subject"), validators=[Length(max=200)])
    body = TextAreaField(lazy("Text"), validators=[DataRequired(), Length(max=20_000)])


class CannedForm(Form):
    title = StringField(lazy("Title"), validators=[DataRequired(), Length(max=120)])
    language = SelectField(lazy("Language"), choices=[("it", "Italiano"), ("en", "English")], default="it")
    body = TextAreaField(lazy("Text"), validators=[DataRequired(), Length(max=20_000)])


class NoticesForm(Form):
    digest_hour = SelectField(
        lazy("Morning digest"),
        choices=[("", lazy("none")), *((str(hour), f"{hour:02}:00") for hour in range(24))],
        description=lazy(
            "One mail a day at this hour of your clock, when something waits: answers, negative words, promises."
        ),
    )
    key_answers = BooleanField(
        lazy("Mail when a key person answers"),
        description=lazy("The bell rings in any case, for whoever looks after them or has the conversation."),
    )
