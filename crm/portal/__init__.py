"""Public pages: preferences, unsubscribe, member page."""
