"""The process: arq workers, the sweeper, telemetry. Imports ingest, credentials and config."""
