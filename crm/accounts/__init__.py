"""Workspaces, users, memberships and roles, tokens, audit, notifications, progress of long work."""
