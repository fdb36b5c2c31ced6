"""Trains models on annotated texts, and scores them."""
