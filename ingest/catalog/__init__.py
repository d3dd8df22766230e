"""The catalog: runs, shards, spans and assets, and the one commit point."""
