"""Workers that fill profiles from public sources."""
