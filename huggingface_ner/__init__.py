"""Label Studio ML backend for named entity recognition with Hugging Face models."""
