"""The English sentences of the channels, marked for translation; a page passes them through gettext."""

from types import MappingProxyType
from typing import Final


def N_(message: str) -> str:  # noqa: N802 - the name the extraction of messages looks for
    """Mark `message` for extraction and give it back unchanged.

    This layer knows no request and so no language; whoever shows the sentence translates it.
    """
    return message


#: Why an address is refused, by the code of `AddressError`.
ADDRESS_SENTENCES: Final = MappingProxyType(
    {
        "address_empty": N_("Write an address."),
        "address_too_long": N_("This address is too long."),
        "address_control_character": N_("The address contains a character that can't be seen. Type it again."),
        "email_no_at": N_("An e-mail address needs an @, like anna@example.com."),
        "email_domain": N_("The part after the @ is not a valid domain."),
        "email_local": N_("The part before the @ is not valid."),
        "email_local_non_ascii": N_(
            "Accented letters before the @ can't be delivered everywhere; they are not accepted."
        ),
        "phone_invalid": N_("This is not a valid phone number. Write it with the country code, like +39 333 1234567."),
        "instagram_handle": N_("An Instagram name has letters, digits, dots and underscores, 30 at most."),
        "messenger_handle": N_("Write the name in the Facebook address of the profile, or paste the address."),
        "x_handle": N_("An X name has letters, digits and underscores, 15 at most."),
        "telegram_handle": N_("A Telegram name has 4 to 32 letters, digits or underscores and begins with a letter."),
        "linkedin_profile": N_("Paste the address of the LinkedIn profile, like linkedin.com/in/name."),
        "mastodon_account": N_("A Mastodon account is written like @name@server."),
        "bluesky_handle": N_("A Bluesky name looks like a domain: name.bsky.social."),
        "webhook_url": N_("A webhook address begins with https:// and has a host name."),
    }
)
