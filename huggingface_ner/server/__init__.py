"""Answers HTTP requests."""
