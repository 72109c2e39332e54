"""What a company's home page says is read, checked and told by how sure it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.channels.base import ChannelKind
from crm.enrichment.sources.base import SourceError, Subject
from crm.enrichment.sources.structured import organizations
from crm.enrichment.sources.website import Website, read_page

PAGE = """<!doctype html><html lang="it"><head><title>Lanterna &amp; Figli</title>
<meta name="description" content="Carta e  inchiostro a Genova">
<meta property="og:site_name" content="Lanterna"><meta property="og:image" content="/og.png">
<link rel="alternate" type="application/rss+xml" href="/feed.xml"><link rel="icon" href="favicon.ico">
<script type="application/ld+json">{"@context":"https://schema.org","@graph":[{"@type":"WebSite","name":"x"},
{"@type":["LocalBusiness"],"legalName":"Lanterna e Figli S.r.l.","telephone":"010 123 4567",
"email":"mailto:info@lanterna.example","vatID":"IT 00743110157","logo":{"url":"/logo.svg"},
"address":{"streetAddress":"Via Roma 1","addressLocality":"Genova","addressCountry":"Italia"},
"numberOfEmployees":{"value":12},"sameAs":["https://www.linkedin.com/company/lanterna"]}]}</script></head>
<body><a href="https://www.facebook.com/sharer/sharer.php?u=x">Condividi</a>
<a href="https://www.instagram.com/lanterna.figli/">Instagram</a><a href="mailto:altro@lanterna.example?subject=x">m</a>
<a href="https://wa.me/393331234567">WhatsApp</a>
<footer>P. IVA 12345678901 - Partita IVA: IT00743110157</footer></body>"""


def values(html):
    return {finding.field: finding.value for finding in read_page(html, url="https://lanterna.example/").findings}


def test_structured_data_comes_first():
    assert values(PAGE) == {
        "name": "Lanterna e Figli S.r.l.",
        "description": "Carta e inchiostro a Genova",
        "phone": "+39 010 123 4567",
        "street": "Via Roma 1",
        "city": "Genova",
        "country": "IT",
        "vat_number": "00743110157",
        "staff": "12",
    }


def test_addresses_on_networks_are_found_once_per_channel():
    found = read_page(PAGE, url="https://lanterna.example/")
    assert {handle.channel: handle.address_norm for handle in found.handles} == {
        ChannelKind.EMAIL: "info@lanterna.example",
        ChannelKind.LINKEDIN: "company/lanterna",
        ChannelKind.INSTAGRAM: "lanterna.figli",
        ChannelKind.WHATSAPP: "+393331234567",
    }


def test_feed_logo_and_title_are_kept_beside():
    assert read_page(PAGE, url="https://lanterna.example/a/").extras == {
        "title": "Lanterna & Figli",
        "logo": "https://lanterna.example/logo.svg",
        "feed": "https://lanterna.example/feed.xml",
    }


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", {}),
        ("<title>Solo titolo</title>", {"description": "Solo titolo"}),
        ("<p>P.IVA 12345678901", {}),
        ("<p>P.IVA IT 00743110157</p>", {"vat_number": "00743110157"}),
        ("<p>P.IVA</p><p>00743110157", {"vat_number": "00743110157"}),
        ("<script>P.IVA 00743110157</script>", {}),
        (
            '<script type="application/ld+json">{x</script><meta name=description content=ok>',
            {"description": "ok"},
        ),
        ('<script type="application/ld+json">{"@type":"Person","name":"Anna"}</script>', {}),
        (
            '<script type="application/ld+json">[{"@type":"https://schema.org/NGO","name":"A","telephone":"è","staff":1}]',
            {"name": "A"},
        ),
    ],
)
def test_a_page_says_what_it_says_and_no_more(html, expected):
    assert values(html) == expected


def test_a_page_made_to_hurt_is_an_answer_we_can_not_use():
    with pytest.raises(SourceError) as caught:
        read_page("<div>" * 100_000, url="https://x.example/")
    assert caught.value.code == "unreadable"


def test_structured_data_without_end_is_cut():
    deep = '{"a":' * 3_000 + '{"@type":"Organization","name":"A"}' + "}" * 3_000
    wide = '{"@graph":[' + ",".join('{"@type":"WebPage"}' for _ in range(5_000)) + ',{"@type":"Organization"}]}'
    assert organizations([deep, wide, "x" * 300_000, "null", "[]"]) == []


KEYS = st.sampled_from(
    ["@type", "address", "addressCountry", "logo", "sameAs", "numberOfEmployees", "name", "telephone", "vatID"]
)
LEAVES = st.none() | st.text(max_size=5) | st.integers() | st.just("Organization") | st.just("²")


@given(
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
    )
)
def test_any_shape_of_structured_data_is_survived(data):
    found = read_page(f'<script type="application/ld+json">{json.dumps(data)}</script>', url="https://x.example/")
    assert all(isinstance(one.value, str) and one.value.strip() for one in found.findings)
    assert all(0 < one.confidence <= 100 for one in found.findings)
    assert len({one.field for one in found.findings}) == len(found.findings)


@pytest.mark.parametrize(
    ("website", "domain", "address"),
    [
        ("", "", None),
        ("", "lanterna.example", "https://lanterna.example/"),
        ("www.lanterna.example", "x.example", "https://www.lanterna.example/"),
        ("http://lanterna.example/it", "", "http://lanterna.example/it"),
    ],
)
def test_the_address_to_ask(website, domain, address):
    assert Website().address(Subject(name="x", website=website, domain=domain)) == address


def test_a_number_without_prefix_belongs_to_the_country_of_the_company():
    page = '<script type="application/ld+json">{"@type":"Organization","name":"x","telephone":"030 901820"}</script>'
    found = read_page(page, url="https://lampe.example/", country="DE")
    assert {one.field: one.value for one in found.findings}["phone"] == "+49 30 901820"
