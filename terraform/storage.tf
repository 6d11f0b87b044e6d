# Two buckets: one receives originals and notifies the queue, the other serves thumbnails.

# --- Both -------------------------------------------------------------------------------------------------------------

resource "aws_s3_bucket" "images" {
  for_each = { uploads = local.upload_bucket, thumbnails = local.thumbnail_bucket }

  bucket        = each.value
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "images" {
  for_each = aws_s3_bucket.images

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "images" {
  for_each = aws_s3_bucket.images

  bucket = each.value.id

  rule {
    # No ACLs: the bucket owner owns every object, whichever account uploads it.
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "images" {
  for_each = aws_s3_bucket.images

  bucket = each.value.id

  rule {
    apply_server_side_encryption_by_default {
      # S3's own keys are free; a customer managed key costs per month and per call.
      sse_algorithm     = local.has_key ? "aws:kms" : "AES256"
      kms_master_key_id = var.kms_key_arn
    }

    # One call to KMS serves many objects.
    bucket_key_enabled = local.has_key ? true : null
  }
}

resource "aws_s3_bucket_policy" "images" {
  for_each = aws_s3_bucket_public_access_block.images

  bucket = each.value.bucket
  policy = data.aws_iam_policy_document.tls_only[each.key].json
}

data "aws_iam_policy_document" "tls_only" {
  for_each = { uploads = local.upload_bucket_arn, thumbnails = local.thumbnail_bucket_arn }

  statement {
    sid       = "OnlyThroughTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value, "${each.value}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "images" {
  for_each = aws_s3_bucket.images

  bucket = each.value.id

  rule {
    id     = "unfinished-multipart-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      # The parts of incomplete uploads are invisible and cost as much as objects.
      days_after_initiation = 1
    }
  }

  dynamic "rule" {
    # Only originals have versions.
    for_each = each.key == "uploads" ? ["old-versions"] : []

    content {
      id     = rule.value
      status = "Enabled"
      filter {}

      noncurrent_version_expiration {
        # Long enough for a message to find its version after 4 days in the queue and a redrive.
        noncurrent_days = 14
      }

      expiration {
        # Otherwise the delete marker of an original would remain forever after its versions.
        expired_object_delete_marker = true
      }
    }
  }

  dynamic "rule" {
    for_each = each.key == "uploads" && var.original_retention_days != null ? [var.original_retention_days] : []

    content {
      id     = "originals"
      status = "Enabled"

      filter {
        # Other objects in the bucket are not affected.
        prefix = var.upload_prefix
      }

      expiration {
        days = rule.value
      }
    }
  }

  # Rules about versions require that versioning is enabled first.
  depends_on = [aws_s3_bucket_versioning.uploads]
}

# --- Originals --------------------------------------------------------------------------------------------------------

resource "aws_s3_bucket_versioning" "uploads" {
  bucket = aws_s3_bucket.images["uploads"].id

  versioning_configuration {
    # Two quick writes to one key create two versions with an event each, and a worker reads the version in its event.
    status = "Enabled"
  }
}

resource "aws_s3_bucket_cors_configuration" "uploads" {
  bucket = aws_s3_bucket.images["uploads"].id

  cors_rule {
    # The API's page uploads directly into the bucket, and so do pages of the given origins.
    allowed_origins = concat([aws_apigatewayv2_api.api.api_endpoint], var.cors_origins)
    allowed_methods = ["PUT"]
    allowed_headers = ["content-type", "if-none-match", "x-amz-*"]
    expose_headers  = ["ETag"]
    # Chromium's maximum is two hours. One hour avoids nearly all preflight requests.
    max_age_seconds = 3600
  }
}

resource "aws_s3_bucket_notification" "uploads" {
  # One resource owns the bucket's whole notification configuration. Other consumers subscribe through the table's
  # stream.
  bucket = aws_s3_bucket.images["uploads"].id

  queue {
    id            = "uploads"
    queue_arn     = aws_sqs_queue.uploads.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = var.upload_prefix
  }
}
