"""Versions of each project's model on disk."""
