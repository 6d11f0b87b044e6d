# The alarms, and the topic that they notify.

locals {
  # Two alarms use this metric: one notifies operators, the other starts a worker.
  waiting_without_worker = merge(
    {
      no-worker = {
        description = "Uploads wait and no worker has run for ten minutes: look at the events of the ECS service."
        # Longer than a start from zero workers takes.
        minutes = 10
        actions = [aws_sns_topic.alarms.arn]
        relief  = [aws_sns_topic.alarms.arn]
      }
    },
    var.min_tasks > 0 ? {} : {
      wake = {
        description = "Not a fault: uploads wait and no worker runs, so this alarm starts one."
        minutes     = 1
        actions     = aws_appautoscaling_policy.wake[*].arn
        relief      = []
      }
    },
  )
}

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms_topic.json
}

data "aws_iam_policy_document" "alarms_topic" {
  source_policy_documents = [data.aws_iam_policy_document.topic_tls_only["alarms"].json]

  statement {
    # This policy replaces the default policy of SNS, which allows CloudWatch to publish.
    sid       = "AlarmsMayPublish"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "topic_tls_only" {
  for_each = merge(
    { alarms = aws_sns_topic.alarms.arn },
    !var.outcome_topic ? {} : { outcomes = aws_sns_topic.outcomes[0].arn },
  )

  statement {
    sid    = "OnlyThroughTls"
    effect = "Deny"
    # SNS does not accept "sns:*" in a topic policy.
    actions   = ["sns:Publish"]
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

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "Uploads that no worker could process. Inspect them with `darkroom dlq list`, fix the cause, then run `darkroom dlq redrive`."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  # An empty queue stops reporting after some hours.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "oldest_message" {
  alarm_name          = "${var.name}-oldest-message"
  alarm_description   = "An upload has been waiting for more than ${var.oldest_message_alarm_seconds} s: too few workers, or workers that fail."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = local.queue_dimensions
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_message_alarm_seconds
  period              = 60
  # A single retried image may be that old for a moment.
  evaluation_periods = 5
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "waiting_without_worker" {
  for_each = local.waiting_without_worker

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = each.value.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = each.value.actions
  ok_actions          = each.value.relief

  metric_query {
    id          = "waiting_without_worker"
    label       = "Messages waiting while no worker runs"
    expression  = "IF(FILL(running,0)<1,FILL(visible,0),0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { for id in ["visible", "running"] : id => local.scaling_metrics[id] }

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        stat        = metric_query.value.stat
        dimensions  = metric_query.value.dimensions
        period      = 60
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "api_errors" {
  alarm_name          = "${var.name}-api-errors"
  alarm_description   = "The API answered 5xx five times or more within five minutes: look at the function's log group."
  namespace           = "AWS/ApiGateway"
  metric_name         = "5xx"
  dimensions          = { ApiId = aws_apigatewayv2_api.api.id }
  statistic           = "Sum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 5
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
