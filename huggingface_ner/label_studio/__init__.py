"""Label Studio's JSON, read and written."""
