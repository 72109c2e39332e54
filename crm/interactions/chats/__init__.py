"""Reads exported chats and calendars, piece by piece and without a database; `reading` tells the formats apart."""
