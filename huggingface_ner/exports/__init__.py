"""Versions of a model as Hugging Face models for others: a folder, a zip file, or a repository on the Hub."""
