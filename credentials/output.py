"""How what we write is encrypted, in the words of S3's requests."""

from __future__ import annotations

from credentials.kinds import BucketSpec


def encryption_headers(spec: BucketSpec) -> dict[str, str]:
    """Headers of PutObject, CopyObject and CreateMultipartUpload (S3 API Reference); none if the bucket's own default serves."""
    if spec.sse == "none":
        return {}
    if spec.sse == "sse-s3":
        return {"x-amz-server-side-encryption": "AES256"}
    assert spec.kms_key_arn is not None
    return {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": spec.kms_key_arn,
    }
