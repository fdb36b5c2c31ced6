"""Finds spans in texts."""
