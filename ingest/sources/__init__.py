"""Where objects come from that are not a bucket's listing: each kind of source has its file."""
