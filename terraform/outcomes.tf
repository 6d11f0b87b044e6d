# Outcome notifications for other systems: the table's stream, through a pipe, to a topic. The workers are not involved.

resource "aws_sns_topic" "outcomes" {
  count = var.outcome_topic ? 1 : 0

  name = "${var.name}-outcomes"
  # AWS's own key is usable by every principal in this account that may use SNS.
  kms_master_key_id = coalesce(var.kms_key_arn, "alias/aws/sns")
}

resource "aws_sns_topic_policy" "outcomes" {
  count = var.outcome_topic ? 1 : 0

  arn    = aws_sns_topic.outcomes[0].arn
  policy = data.aws_iam_policy_document.topic_tls_only["outcomes"].json
}

resource "aws_pipes_pipe" "outcomes" {
  count = var.outcome_topic ? 1 : 0

  name        = "${var.name}-outcomes"
  description = "Notifies the topic of each verdict that is written into the table"
  role_arn    = aws_iam_role.darkroom["outcomes"].arn
  source      = aws_dynamodb_table.images.stream_arn
  target      = aws_sns_topic.outcomes[0].arn

  source_parameters {
    dynamodb_stream_parameters {
      # LATEST would miss records that are written while the pipe starts.
      starting_position = "TRIM_HORIZON"
      batch_size        = 10

      # As long as the stream keeps records: 24 hours.
      maximum_retry_attempts             = -1
      maximum_record_age_in_seconds      = -1
      on_partial_batch_item_failure      = "AUTOMATIC_BISECT"
      parallelization_factor             = 1
      maximum_batching_window_in_seconds = 0
    }

    filter_criteria {
      filter {
        # A verdict is a write that leaves one of these statuses. Expired records have no new image.
        pattern = jsonencode({
          eventName = ["INSERT", "MODIFY"]
          dynamodb  = { NewImage = { status = { S = ["published", "invalid_content_type", "failed"] } } }
        })
      }
    }
  }

  # A pipe starts to read with its role immediately, so the role needs its permissions first.
  depends_on = [aws_iam_role_policy.darkroom, aws_iam_role_policy.key]
}

data "aws_iam_policy_document" "outcomes" {
  count = var.outcome_topic ? 1 : 0

  statement {
    sid = "ReadTheStream"
    actions = [
      "dynamodb:DescribeStream",
      "dynamodb:GetRecords",
      "dynamodb:GetShardIterator",
      "dynamodb:ListStreams",
    ]
    resources = ["${local.table_arn}/stream/*"]
  }

  statement {
    sid       = "TellTheTopic"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.outcomes[0].arn]
  }
}
