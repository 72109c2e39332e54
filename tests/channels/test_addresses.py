"""Addresses typed by people come to one form per channel, or to a sentence that helps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.channels.addresses import AddressError, channel_of_url, normalise, profile_url
from crm.channels.base import ChannelKind
from crm.channels.sentences import ADDRESS_SENTENCES

K = ChannelKind


@pytest.mark.parametrize(
    ("channel", "typed", "shown", "norm"),
    [
        (K.EMAIL, " Anna.Rossi@Caffè.IT ", "Anna.Rossi@caffè.it", "anna.rossi@xn--caff-8oa.it"),
        (K.EMAIL, "mailto:a@b.it", "a@b.it", "a@b.it"),
        (K.EMAIL, "anna@prova.test", "anna@prova.test", "anna@prova.test"),
        (K.PHONE, "333 1234567", "+39 333 123 4567", "+393331234567"),
        (K.PHONE, "02 1234567", "+39 02 123 4567", "+39021234567"),
        (K.SMS, "tel:+44 20 7946 0958", "+44 20 7946 0958", "+442079460958"),
        (K.WHATSAPP, "https://wa.me/393331234567?text=x", "+39 333 123 4567", "+393331234567"),
        (K.WHATSAPP, "api.whatsapp.com/send?phone=393331234567", "+39 333 123 4567", "+393331234567"),
        (K.INSTAGRAM, "https://www.instagram.com/Caffe.Rossi/?hl=it", "@Caffe.Rossi", "caffe.rossi"),
        (K.INSTAGRAM, "@caffe_rossi", "@caffe_rossi", "caffe_rossi"),
        (K.MESSENGER, "https://www.facebook.com/profile.php?id=1234567", "1234567", "1234567"),
        (K.MESSENGER, "https://m.me/Anna.Rossi.9", "Anna.Rossi.9", "annarossi9"),
        (K.X, "https://twitter.com/Nome_1/status/1", "@Nome_1", "nome_1"),
        (K.TELEGRAM, "t.me/Anna_r", "@Anna_r", "anna_r"),
        (K.LINKEDIN, "https://it.linkedin.com/in/Anna-Rossi/?x=1", "linkedin.com/in/Anna-Rossi", "in/anna-rossi"),
        (K.LINKEDIN, "anna-rossi", "linkedin.com/in/anna-rossi", "in/anna-rossi"),
        (K.LINKEDIN, "linkedin.com/company/acme/about/", "linkedin.com/company/acme", "company/acme"),
        (K.LINKEDIN, "linkedin.com/in/anna-s%C3%A0", "linkedin.com/in/anna-sà", "in/anna-sà"),
        (K.MASTODON, "https://mastodon.uno/@anna", "@anna@mastodon.uno", "anna@mastodon.uno"),
        (K.MASTODON, "@Anna@Mastodon.uno", "@Anna@mastodon.uno", "anna@mastodon.uno"),
        (K.MASTODON, "https://mastodon.uno/@anna@altro.example", "@anna@altro.example", "anna@altro.example"),
        (K.BLUESKY, "https://bsky.app/profile/anna.bsky.social", "@anna.bsky.social", "anna.bsky.social"),
        (K.BLUESKY, "did:plc:z72i7hdynmk6r22z27h6tvur", "did:plc:z72i7hdynmk6r22z27h6tvur", None),
    ],
)
def test_an_address_comes_to_its_form(channel, typed, shown, norm):
    assert normalise(channel, typed) == (shown, norm or shown)


@pytest.mark.parametrize(
    ("channel", "typed", "code"),
    [
        (K.EMAIL, "  ", "address_empty"),
        (K.EMAIL, "a" * 400 + "@b.it", "address_too_long"),
        (K.EMAIL, "a@b.it\r\nBcc: c@d.it", "address_control_character"),
        (K.EMAIL, "a\u200b@b.it", "address_control_character"),
        (K.EMAIL, "anna", "email_no_at"),
        (K.EMAIL, "à@b.it", "email_local_non_ascii"),
        (K.EMAIL, "a@b", "email_domain"),
        (K.EMAIL, "a@b.it.", "email_domain"),
        (K.EMAIL, "a@", "email_local"),
        (K.EMAIL, '"a b"@b.it', "email_local"),
        (K.PHONE, "12", "phone_invalid"),
        (K.PHONE, "ciao", "phone_invalid"),
        (K.PHONE, "+39 02 1234567 ext. 5", "phone_invalid"),
        (K.INSTAGRAM, "caffe..rossi", "instagram_handle"),
        (K.INSTAGRAM, "a" * 31, "instagram_handle"),
        (K.MESSENGER, "ab", "messenger_handle"),
        (K.X, "nome-1", "x_handle"),
        (K.TELEGRAM, "1anna", "telegram_handle"),
        (K.LINKEDIN, "https://evil.example/in/x", "linkedin_profile"),
        (K.LINKEDIN, "https://www.linkedin.com/feed/", "linkedin_profile"),
        (K.MASTODON, "anna", "mastodon_account"),
        (K.MASTODON, "anna@x y", "mastodon_account"),
        (K.BLUESKY, "anna", "bluesky_handle"),
    ],
)
def test_a_refusal_has_a_code_and_a_sentence(channel, typed, code):
    with pytest.raises(AddressError) as caught:
        normalise(channel, typed)
    assert caught.value.code == code
    assert caught.value.sentence == ADDRESS_SENTENCES[code]


def test_the_region_decides_about_numbers_without_prefix():
    assert normalise(K.PHONE, "030 901820", region="de").address_norm == "+4930901820"


@pytest.mark.parametrize(
    ("channel", "norm", "url"),
    [
        (K.INSTAGRAM, "caffe.rossi", "https://www.instagram.com/caffe.rossi/"),
        (K.X, "nome_1", "https://x.com/nome_1"),
        (K.TELEGRAM, "anna_r", "https://t.me/anna_r"),
        (K.WHATSAPP, "+393331234567", "https://wa.me/393331234567"),
        (K.LINKEDIN, "in/anna-sà", "https://www.linkedin.com/in/anna-s%C3%A0/"),
        (K.MASTODON, "anna@mastodon.uno", "https://mastodon.uno/@anna"),
        (K.BLUESKY, "anna.bsky.social", "https://bsky.app/profile/anna.bsky.social"),
        (K.MESSENGER, "annarossi9", "https://www.facebook.com/annarossi9"),
        (K.EMAIL, "a@b.it", None),
        (K.PHONE, "+393331234567", None),
    ],
)
def test_a_profile_has_its_page(channel, norm, url):
    assert profile_url(channel, norm) == url


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://www.facebook.com/acme.srl", (K.MESSENGER, "acmesrl")),
        ("https://www.linkedin.com/company/acme", (K.LINKEDIN, "company/acme")),
        ("https://wa.me/393331234567", (K.WHATSAPP, "+393331234567")),
        ("https://x.com/acme", (K.X, "acme")),
        ("https://www.linkedin.com/feed", None),
        ("https://instagram.com/", None),
        ("https://example.com/acme", None),
        ("mailto:a@b.it", None),
        ("http://[", None),
    ],
)
def test_a_profile_link_names_its_channel(url, found):
    result = channel_of_url(url)
    assert (result and (result[0], result[1].address_norm)) == found


@given(st.sampled_from(ChannelKind), st.text(max_size=60))
def test_any_text_is_an_address_or_refused_and_the_form_is_stable(channel, text):
    try:
        address = normalise(channel, text)
    except AddressError:
        return
    again = normalise(channel, address.address)
    assert again.address_norm == address.address_norm
    assert address.address_norm.isprintable()
