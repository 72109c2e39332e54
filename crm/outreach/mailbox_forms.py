"""Forms of a mailbox that is read: its folders, how far back, whose mail, and what stays out."""

from collections.abc import Iterable
from typing import Final

from wtforms import RadioField, SelectMultipleField, StringField
from wtforms.validators import DataRequired, Length

from crm.outreach.kinds import FolderRole, MailboxReach
from crm.outreach.mailbox_models import MailboxFolder
from crm.web.forms import Form
from crm.web.i18n import _, lazy

_ROLES: Final = {FolderRole.SENT: lazy("sent mail"), FolderRole.RECEIVED: lazy("received mail")}


class MailboxForm(Form):
    """What is read, from when, and of whom."""

    KNOWN: Final = "known"
    EVERYBODY: Final = "everybody"

    folder_ids = SelectMultipleField(lazy("Folders"))
    reach = RadioField(
        lazy("How far back"),
        choices=[
            (MailboxReach.TWO_YEARS.value, lazy("two years")),
            (MailboxReach.THREE_MONTHS.value, lazy("three months")),
            (MailboxReach.NOTHING.value, lazy("only from now on")),
        ],
        default=MailboxReach.TWO_YEARS.value,
    )
    keeps = RadioField(
        lazy("Whose mail is kept"),
        choices=[
            (
                KNOWN,
                lazy("Only mail with people and companies that are here; of the rest only the head is read."),
            ),
            (EVERYBODY, lazy("New mail of strangers too: a shared mailbox, to which customers write first.")),
        ],
        default=KNOWN,
    )

    def offer(self, folders: Iterable[MailboxFolder]) -> None:
        """The folders to choose from, each with what it holds."""
        self.folder_ids.choices = [
            (str(folder.id), _("%(name)s, %(what)s", name=folder.name, what=str(_ROLES[FolderRole(folder.role)])))
            for folder in folders
        ]


class ExclusionForm(Form):
    """An address or domain whose mail stays out."""

    pattern = StringField(lazy("Address or domain"), validators=[DataRequired(), Length(max=320)])
