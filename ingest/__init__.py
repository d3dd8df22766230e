"""Pages in, asset records out. Knows S3 and the catalog, not arq. Imports credentials and config."""
