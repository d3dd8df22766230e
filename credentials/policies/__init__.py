"""Policies: what a connection permits, as the documents that AWS reads."""
