# The queue of uploads and its dead-letter queue.

resource "aws_sqs_queue" "uploads" {
  name = "${var.name}-uploads"

  # The worker uses the same timeout and extends it for messages in progress, so a killed worker's messages return soon.
  visibility_timeout_seconds = var.visibility_timeout_seconds

  # An idle system pays only for empty receives here, so wait as long as SQS allows.
  receive_wait_time_seconds = 20

  # SQS's own keys, or a customer managed key, whose policy must allow S3: encryption.tf.
  sqs_managed_sse_enabled = local.has_key ? null : true
  kms_master_key_id       = var.kms_key_arn

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.max_receives
  })

  # Inline, so that it exists before the bucket's notification, which S3 tests on creation.
  policy = data.aws_iam_policy_document.uploads_queue.json
}

resource "aws_sqs_queue" "dead_letters" {
  name = "${var.name}-dead-letters"

  # SQS counts from the first send. This is the longest retention; the main queue has 4 days.
  message_retention_seconds = 14 * 24 * 60 * 60

  # `darkroom dlq` reads many messages before it decides on one.
  visibility_timeout_seconds = 300
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = local.has_key ? null : true
  kms_master_key_id          = var.kms_key_arn

  policy = data.aws_iam_policy_document.queue_tls_only["dead_letters"].json

  # No other queue may send its dead letters here.
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arn]
  })
}

data "aws_iam_policy_document" "queue_tls_only" {
  for_each = { uploads = local.queue_arn, dead_letters = local.dead_letters_arn }

  statement {
    sid       = "OnlyThroughTls"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value]

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

data "aws_iam_policy_document" "uploads_queue" {
  source_policy_documents = [data.aws_iam_policy_document.queue_tls_only["uploads"].json]

  statement {
    sid       = "UploadBucketMaySend"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [local.upload_bucket_arn]
    }

    # After a bucket is deleted, another account may take its name.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}
