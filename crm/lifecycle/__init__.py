"""What touches every domain: imports, exports, merges, erasure."""
