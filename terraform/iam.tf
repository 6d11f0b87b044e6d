# Permissions: one role per process, and each action with the call that needs it.

locals {
  # The roles: their purpose, and the service that may assume them.
  roles = merge(
    {
      worker    = { service = "ecs-tasks", description = "darkroom worker: drains the queue of uploads" }
      api       = { service = "lambda", description = "darkroom api: issues upload URLs and reports the status of images" }
      execution = { service = "ecs-tasks", description = "Fargate itself: pulls the image of darkroom and writes its logs" }
    },
    !var.sweep_enabled ? {} : {
      sweep          = { service = "ecs-tasks", description = "darkroom sweep: repairs stuck images" }
      sweep-schedule = { service = "scheduler", description = "EventBridge Scheduler: starts darkroom sweep" }
    },
    !var.outcome_topic ? {} : {
      outcomes = { service = "pipes", description = "EventBridge Pipes: notifies the topic of the outcome of each image" }
    },
  )

  # The policies of each role, from this file, sweep.tf and outcomes.tf.
  permissions = merge(
    {
      worker    = data.aws_iam_policy_document.worker.json
      api       = data.aws_iam_policy_document.api.json
      execution = data.aws_iam_policy_document.execution.json
    },
    !var.sweep_enabled ? {} : {
      sweep          = data.aws_iam_policy_document.sweep.json
      sweep-schedule = data.aws_iam_policy_document.sweep_schedule[0].json
    },
    !var.outcome_topic ? {} : {
      outcomes = data.aws_iam_policy_document.outcomes[0].json
    },
  )
}

resource "aws_iam_role" "darkroom" {
  for_each = local.roles

  name               = "${var.name}-${each.key}"
  description        = each.value.description
  assume_role_policy = data.aws_iam_policy_document.assumed_by[each.value.service].json
}

resource "aws_iam_role_policy" "darkroom" {
  for_each = local.permissions

  name   = each.key
  role   = aws_iam_role.darkroom[each.key].id
  policy = each.value
}

data "aws_iam_policy_document" "assumed_by" {
  # The service must act for this account. Lambda does not report the account when it assumes a role.
  for_each = {
    ecs-tasks = { "aws:SourceAccount" = local.account, "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
    scheduler = { "aws:SourceAccount" = local.account }
    pipes     = { "aws:SourceAccount" = local.account }
    lambda    = {}
  }

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }

    dynamic "condition" {
      for_each = each.value

      content {
        test     = "StringLike"
        variable = condition.key
        values   = [condition.value]
      }
    }
  }
}

# --- The worker -------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "worker" {
  statement {
    sid = "DrainTheQueue"
    actions = [
      "sqs:ReceiveMessage",
      "sqs:ChangeMessageVisibility", # the heartbeat, a retry's delay, release
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes", # the receive limit, the depth
    ]
    resources = [local.queue_arn]
  }

  statement {
    sid       = "CountDeadLetters"
    actions   = ["sqs:GetQueueAttributes"] # for the metrics
    resources = [local.dead_letters_arn]
  }

  statement {
    sid       = "ReadOriginals"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [local.upload_objects_arn]
  }

  statement {
    # The worker lists the bucket before it receives. Without this permission, S3 also answers "access denied" for an
    # object that does not exist, and the worker would retry it forever.
    sid       = "TellMissingFromDenied"
    actions   = ["s3:ListBucket"]
    resources = [local.upload_bucket_arn]
  }

  statement {
    sid       = "WriteThumbnails"
    actions   = ["s3:PutObject"]
    resources = [local.thumbnail_objects_arn]
  }

  statement {
    sid = "KeepRecords"
    actions = [
      "dynamodb:GetItem",    # read a record
      "dynamodb:UpdateItem", # claim, publish, reject, fail, release
    ]
    resources = [local.table_arn]
  }
}

# --- The API ----------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "api" {
  statement {
    sid = "KeepRecords"
    actions = [
      "dynamodb:PutItem", # POST /images
      "dynamodb:GetItem", # GET /images/{id}
    ]
    resources = [local.table_arn]
  }

  statement {
    # A signed URL has the permissions of its signer.
    sid       = "SignUploads"
    actions   = ["s3:PutObject"]
    resources = [local.upload_objects_arn]
  }

  statement {
    sid       = "SignDownloads"
    actions   = ["s3:GetObject"]
    resources = [local.thumbnail_objects_arn]
  }

  dynamic "statement" {
    # DELETE /images/{id}: closes the record, then deletes every version of the original and the thumbnails.
    for_each = !var.allow_delete ? {} : {
      CloseRecords   = { actions = ["dynamodb:UpdateItem"], resources = [local.table_arn] }
      FindVersions   = { actions = ["s3:ListBucketVersions"], resources = [local.upload_bucket_arn, local.thumbnail_bucket_arn] }
      FindThumbnails = { actions = ["s3:ListBucket"], resources = [local.thumbnail_bucket_arn] }
      DeleteForEver  = { actions = ["s3:DeleteObject", "s3:DeleteObjectVersion"], resources = [local.upload_objects_arn, local.thumbnail_objects_arn] }
    }

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/${var.name}/api:*"]
  }
}

# --- The execution role: pulls the image, writes the logs -------------------------------------------------------------

data "aws_iam_policy_document" "execution" {
  statement {
    # This action does not support resources.
    sid       = "LogInToTheRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullTheImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.darkroom.arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/${var.name}/worker:*"]
  }
}
