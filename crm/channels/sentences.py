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
    }
)

#: What each network allows, by the codes of `assisted.RULES`.
RULE_SENTENCES: Final = MappingProxyType(
    {
        "by_hand": N_("Send it yourself from your own account, then say how it went."),
        "whatsapp_opt_in": N_("WhatsApp: write first only to people who agreed to hear from you there."),
        "instagram_request": N_("Instagram: if they don't follow you, your message lands among their requests."),
        "messenger_request": N_("Messenger: from a page you can only answer people who wrote first."),
        "linkedin_by_hand": N_("LinkedIn: messages are written by hand; automatic sending costs the account."),
        "linkedin_connection": N_("LinkedIn: only connections receive messages; others get a request with a note."),
        "x_open_messages": N_("X: only people who follow you or opened their messages receive them."),
        "telegram_username": N_("Telegram: this opens a private chat from your own account."),
        "mastodon_mention": N_("Mastodon: choose “mentioned people only”, or everybody can read it."),
        "bluesky_followers": N_("Bluesky: many people accept messages only from those they follow."),
        "phone_register": N_("Phone: for promotional calls, check the register of objections first."),
        "sms_own_phone": N_("SMS: the message opens on the phone you are using."),
    }
)

#: Why an account or an attempt did not work, by the start of the outcome's code; the longest match counts.
OUTCOME_SENTENCES: Final = MappingProxyType(
    {
        "accepted": N_("The mail server took the message."),
        "accepted_by_platform": N_("The platform took the message."),
        "api_": N_("The platform can’t be reached."),
        "api_forbidden_address": N_("This server is not allowed. The operator can allow it with NET_ALLOW."),
        "api_no_answer": N_("The connection broke while the message was being handed over."),
        "api_server_error": N_("The platform says it has a problem of its own."),
        "api_timeout": N_("The platform took too long to answer."),
        "api_unknown": N_("The platform answered in a way we don’t know: look there whether it arrived."),
        "api_unreadable": N_("The platform answered in a way we don’t know: look there whether it arrived."),
        "assisted_only": N_("On this channel a person sends by hand."),
        "auth_mechanism": N_("The mail server offers no way to sign in that we know."),
        "auth_needs_tls": N_("A password is never sent over a connection that isn't encrypted."),
        "auth_": N_("The mail server refused the sign-in. Check user name and password."),
        "blocked": N_("This person has blocked us on this channel."),
        "config": N_("The settings of this account are incomplete."),
        "connect_dns": N_("The mail server's name has no address."),
        "connect_forbidden_address": N_("This server is not allowed. The operator can allow it with NET_ALLOW."),
        "connect_port": N_("Only the mail ports 25, 465, 587 and 2525 are allowed."),
        "connect_": N_("The mail server can't be reached."),
        "data_": N_("The mail server didn't want the message now."),
        "ehlo_": N_("The mail server doesn't answer as it should."),
        "final_": N_("The mail server refused the message after receiving it."),
        "final_timeout": N_("The connection went quiet after the whole message was sent: it may have arrived."),
        "final_hang_up": N_("The connection broke after the whole message was sent: it may have arrived."),
        "found_in_sent": N_("Found in the folder of sent mail."),
        "imap_": N_("The mailbox could not be read."),
        "imap_busy": N_("The mailbox is busy now."),
        "imap_certificate": N_("The incoming mail server's certificate is not valid for its name."),
        "imap_config": N_("To look into the mailbox, a user name is needed."),
        "imap_connect_": N_("The incoming mail server can't be reached."),
        "imap_connect_dns": N_("The incoming mail server's name has no address."),
        "imap_connect_forbidden_address": N_("This server is not allowed. The operator can allow it with NET_ALLOW."),
        "imap_connect_port": N_("Only the IMAP ports 143 and 993 are allowed."),
        "imap_crashed": N_("Something unexpected happened while the mailbox was read."),
        "imap_folder_gone": N_("This folder is not in the mailbox any more."),
        "imap_mechanism": N_("The incoming mail server offers no way to sign in that we know."),
        "imap_needs_tls": N_("A password is never sent over a connection that isn't encrypted."),
        "imap_no_numbers": N_("The incoming mail server gives its mails no lasting numbers."),
        "imap_no_sent_folder": N_("No folder of sent mail was found in the mailbox. Write its name in the account."),
        "imap_refused": N_("The incoming mail server refused the sign-in. Check user name and password."),
        "imap_starttls_missing": N_("The incoming mail server offers no encryption; nothing was sent."),
        "needs_start": N_("This person must press Start first."),
        "not_in_sent": N_("Not in the folder of sent mail."),
        "greeting_": N_("The mail server turned us away at the door."),
        "mail_": N_("The mail server refused the sender's address."),
        "rcpt_": N_("The mail server refused the recipient's address."),
        "starttls_missing": N_("The mail server offers no encryption; nothing was sent."),
        "starttls_": N_("The encrypted connection could not be made."),
        "telegram_conflict": N_("Another program asks for the messages of this bot, or they are sent elsewhere."),
        "telegram_deactivated": N_("This Telegram account no longer exists."),
        "telegram_empty": N_("Telegram takes no message without text."),
        "telegram_entities": N_("Telegram could not read the text."),
        "telegram_flood": N_("Telegram asks us to wait a moment."),
        "telegram_no_chat": N_("Telegram knows no chat with this person."),
        "telegram_token": N_("Telegram doesn’t know the token of this bot. Ask BotFather for a new one."),
        "telegram_too_long": N_("Telegram takes 4,096 characters at most."),
        "telegram_webhook": N_("Telegram does not accept the address of this installation."),
        "tls_certificate": N_("The mail server's certificate is not valid for its name."),
        "too_big": N_("The message is larger than the mail server accepts."),
        "oauth_sign_in_again": N_("The provider asks for a new sign-in. Sign in again on the page of the account."),
        "oauth_client": N_("The provider does not know the application. Check client id and secret."),
        "oauth_no_refresh": N_("The provider gave no lasting permission. Sign in again and agree to all of it."),
        "oauth_refused": N_("The provider refused the sign-in. Sign in again on the page of the account."),
        "oauth_": N_("The provider of the mailbox could not be asked. It is tried again."),
        "file_gone": N_("A file of this message is no longer there as it was approved. Write it again."),
        "unwritable": N_("Something in the message can't be sent by e-mail."),
        "whatsapp_locked": N_("Meta has locked this WhatsApp account. Look into the WhatsApp manager."),
        "whatsapp_needs_number": N_("WhatsApp wants the phone number of this person for a message like this."),
        "whatsapp_no_business": N_("To read the templates, the ID of the WhatsApp business account is needed."),
        "whatsapp_no_marketing": N_("This person has told WhatsApp to keep promotions away."),
        "whatsapp_no_number": N_("Nobody on WhatsApp can be reached by this address."),
        "whatsapp_permission": N_("The access token lacks the permission to send WhatsApp messages."),
        "whatsapp_refused": N_("WhatsApp did not accept the form of this message."),
        "whatsapp_template": N_("The template does not exist in this language, or its gaps don’t fit."),
        "whatsapp_template_stopped": N_("Meta has paused or stopped this template."),
        "whatsapp_test_number": N_("A test number writes only to the people on its list."),
        "whatsapp_token": N_("The access token has expired or was withdrawn. Make a new one at Meta."),
        "whatsapp_too_fast": N_("WhatsApp asks us to slow down."),
        "whatsapp_too_long": N_("WhatsApp takes 4,096 characters at most."),
        "whatsapp_unavailable": N_("WhatsApp does not work just now."),
        "whatsapp_undeliverable": N_("This number is not on WhatsApp, or has not accepted its terms."),
        "whatsapp_withheld": N_("WhatsApp held it back to spare this person; it can be tried again in a day."),
        "window_closed": N_("More than 24 hours have passed since this person last wrote."),
        "webhook_content": N_("The other side can’t use this text."),
        "webhook_gone": N_("The other side says that this address is no longer in use."),
        "webhook_later": N_("The other side asks to try again later."),
        "webhook_refused": N_("The other side refused it."),
    }
)


def is_outcome(code: str) -> bool:
    """Whether `code` is one of an outcome or check that has a sentence of its own."""
    return code.replace("_", "").isalnum() and bool(_known(code))


def outcome_sentence(code: str) -> str:
    """The English sentence for the code of an outcome or check; an unknown code gives a general one."""
    known = _known(code)
    if not known:
        return N_("The channel answered in a way we don't know.")
    return OUTCOME_SENTENCES[max(known, key=len)]


def _known(code: str) -> list[str]:
    return [start for start in OUTCOME_SENTENCES if code == start or (start.endswith("_") and code.startswith(start))]
