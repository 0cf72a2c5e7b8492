"""Fixes: how rules make text edits, and how edits are applied and written."""
