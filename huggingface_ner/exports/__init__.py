"""Exports versions as Hugging Face models: as a folder, a zip file, or a repository on the Hub."""
