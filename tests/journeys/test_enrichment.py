"""A look at a company's website by a worker process, from the button to the facts and the suggestion."""

import pytest
from stack.callers import browsing
from stack.running import SITE, until
from stack.website import serving

pytestmark = pytest.mark.journey

PAGE = """<html><head><title>Ferramenta Viola</title><meta name="description" content="Viti e bulloni dal 1958">
<script type="application/ld+json">
{"@context": "https://schema.org", "@type": "Organization", "name": "Ferramenta Viola",
 "address": {"@type": "PostalAddress", "addressLocality": "Cervia", "addressCountry": "IT"}}
</script></head><body></body></html>"""


def test_a_worker_reads_a_website_and_proposes_where_somebody_typed(stack, api):
    with serving(SITE) as site, browsing(stack) as browser:
        site.pages["/"] = (200, {}, PAGE)
        browser.post("/settings/enrichment/website", {"website-is_on": "y"}, of="/settings/enrichment")
        company = api.post(
            "companies",
            {
                "name": "Ferramenta Viola",
                "website": f"{site.url}/",
                "domain": "viola.example",
                "city": "Ravenna",
            },
            status=201,
        )
        run = api.post(f"companies/{company['id']}/enrich", status=202)
        ended = until(
            lambda: (now := api.get(f"enrichment-runs/{run['id']}"))["state"] in {"done", "failed"} and now, "the look"
        )
        assert (ended["state"], ended["error_code"], ended["suggested"]) == ("done", "", 1)
        assert [path for path, _headers in site.asked] == ["/robots.txt", "/"]

        found = api.get(f"companies/{company['id']}")
        assert (found["description"], found["city"]) == ("Viti e bulloni dal 1958", "Ravenna")
        page = browser.client.get(f"/companies/{company['id']}/enrichment").text
        assert "Cervia" in page


def test_a_worker_asks_no_address_inside_the_house(stack, api):
    with serving() as site, browsing(stack) as browser:
        browser.post("/settings/enrichment/website", {"website-is_on": "y"}, of="/settings/enrichment")
        company = api.post(
            "companies", {"name": "Inside", "website": f"{site.url}/", "domain": "in.example"}, status=201
        )
        run = api.post(f"companies/{company['id']}/enrich", status=202)
        ended = until(lambda: (now := api.get(f"enrichment-runs/{run['id']}"))["finished_at"] and now, "the refusal")
        assert (ended["state"], ended["error_code"], site.asked) == ("failed", "forbidden_address", [])
