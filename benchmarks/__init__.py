"""Benchmarks: a synthetic S3 server, the peers, and the harness that runs them in turn on the same server."""
