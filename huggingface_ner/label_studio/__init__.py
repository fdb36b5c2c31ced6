"""Reads and writes Label Studio's JSON."""
