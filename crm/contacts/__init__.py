"""People, companies, handles, facts with provenance, tags."""
