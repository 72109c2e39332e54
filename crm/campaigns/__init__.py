"""One-to-few: audience, drafts, review, schedule, report."""
