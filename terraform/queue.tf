# The queue of uploads and its dead letters.

resource "aws_sqs_queue" "uploads" {
  name = "${var.name}-uploads"

  # The worker gets the same number and extends what it holds, so a killed worker's messages come back soon.
  visibility_timeout_seconds = var.visibility_timeout_seconds

  # Empty receives are the only thing that an idle system pays for here: wait as long as SQS allows.
  receive_wait_time_seconds = 20

  # SQS's own keys, unless there is one of the operator's own, whose policy must name S3: encryption.tf.
  sqs_managed_sse_enabled = local.has_key ? null : true
  kms_master_key_id       = var.kms_key_arn

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.max_receives
  })

  # Inline, so that it is there before the bucket's notification, which S3 tests when it is made.
  policy = data.aws_iam_policy_document.uploads_queue.json
}

resource "aws_sqs_queue" "dead_letters" {
  name = "${var.name}-dead-letters"

  # SQS counts from when the message was first sent: the longest there is, against 4 days in the queue itself.
  message_retention_seconds = 14 * 24 * 60 * 60

  # `darkroom dlq` looks at many messages before it decides on one.
  visibility_timeout_seconds = 300
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = local.has_key ? null : true
  kms_master_key_id          = var.kms_key_arn

  policy = data.aws_iam_policy_document.queue_tls_only["dead_letters"].json

  # Nobody else's dead letters come in here.
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

    # A bucket's name can pass to another account once the bucket is gone.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}
