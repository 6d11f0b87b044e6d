# The optional hourly sweep, which repairs stuck images.

locals {
  deletes_originals = try(length(var.delete_originals_after) > 0, false)

  sweep_environment = merge(
    local.common_environment,
    {
      AWS_REGION         = local.region
      DARKROOM_QUEUE_URL = aws_sqs_queue.uploads.url
      DARKROOM_DLQ_URL   = aws_sqs_queue.dead_letters.url
    },
    local.deletes_originals ? { DARKROOM_DELETE_ORIGINALS_AFTER = var.delete_originals_after } : {},
  )
}

resource "aws_ecs_task_definition" "sweep" {
  count = var.sweep_enabled ? 1 : 0

  family                   = "${var.name}-sweep"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  # The smallest task size: it mostly waits for responses.
  cpu                = 256
  memory             = 512
  task_role_arn      = aws_iam_role.darkroom["sweep"].arn
  execution_role_arn = aws_iam_role.darkroom["execution"].arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture == "arm64" ? "ARM64" : "X86_64"
  }

  container_definitions = jsonencode([merge(local.container, {
    name         = "sweep"
    command      = ["sweep"]
    cpu          = 256
    memory       = 512
    environment  = [for key, value in local.sweep_environment : { name = key, value = value }]
    portMappings = []

    logConfiguration = {
      logDriver = "awslogs"
      options   = merge(local.log_options, { awslogs-stream-prefix = "sweep" })
    }
  })])
}

resource "aws_scheduler_schedule" "sweep" {
  count = var.sweep_enabled ? 1 : 0

  name                = "${var.name}-sweep"
  description         = "darkroom sweep, once an hour"
  schedule_expression = "rate(1 hour)"

  flexible_time_window {
    # Not on the full hour, when many other schedules start.
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 15
  }

  target {
    arn      = aws_ecs_cluster.darkroom.arn
    role_arn = aws_iam_role.darkroom["sweep-schedule"].arn

    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.sweep[0].arn
      launch_type         = "FARGATE"

      network_configuration {
        subnets          = local.subnet_ids
        security_groups  = [aws_security_group.worker.id]
        assign_public_ip = local.assign_public_ip
      }
    }

    retry_policy {
      # The next hourly run finds the same images.
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 900
    }
  }
}

# --- Permissions ------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "sweep" {
  statement {
    sid = "RepairRecords"
    actions = [
      "dynamodb:Scan",
      "dynamodb:GetItem",
      "dynamodb:UpdateItem",
      "dynamodb:DeleteItem",
    ]
    resources = [local.table_arn]
  }

  statement {
    sid       = "LookAtOriginals"
    actions   = ["s3:GetObject"]
    resources = [local.upload_objects_arn]
  }

  statement {
    sid       = "TellMissingFromDenied"
    actions   = ["s3:ListBucket"]
    resources = [local.upload_bucket_arn]
  }

  statement {
    sid       = "FindThumbnails"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [local.thumbnail_bucket_arn]
  }

  statement {
    sid       = "RemoveOldThumbnails"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = [local.thumbnail_objects_arn]
  }

  dynamic "statement" {
    # Only with delete_originals_after.
    for_each = !local.deletes_originals ? {} : {
      FindOriginals   = { actions = ["s3:ListBucketVersions"], resources = [local.upload_bucket_arn] }
      DeleteOriginals = { actions = ["s3:DeleteObject", "s3:DeleteObjectVersion"], resources = [local.upload_objects_arn] }
    }

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }

  statement {
    sid       = "AskForAnotherRun"
    actions   = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
    resources = [local.queue_arn]
  }

  statement {
    sid       = "LookAtDeadLetters"
    actions   = ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility"]
    resources = [local.dead_letters_arn]
  }
}

data "aws_iam_policy_document" "sweep_schedule" {
  count = var.sweep_enabled ? 1 : 0

  statement {
    sid       = "StartTheTask"
    actions   = ["ecs:RunTask"]
    resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task-definition/${var.name}-sweep:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.darkroom.arn]
    }
  }

  statement {
    sid       = "HandOverItsRoles"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.darkroom["sweep"].arn, aws_iam_role.darkroom["execution"].arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}
