"""The wire: signing, requests, answers and errors of the S3 protocol."""
