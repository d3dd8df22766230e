"""The connection test: every request that a run would send, tried once; each refusal with its possible causes and what to paste."""
