"""The one table of sources."""

from collections.abc import Mapping
from typing import Final

from crm.enrichment.kinds import SourceName
from crm.enrichment.sources.base import Source
from crm.enrichment.sources.website import Website

SOURCES: Final[Mapping[SourceName, Source]] = {source.name: source for source in (Website(),)}
