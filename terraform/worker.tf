# The workers: identical Fargate tasks that drain the queue.

locals {
  # One image at a time per core. scaling.tf uses the same number.
  render_slots = max(1, floor(var.worker_cpu / 1024))

  drain_timeout_seconds = 90

  # The settings of every role of darkroom.
  common_environment = merge(
    {
      DARKROOM_BACKEND          = "aws"
      DARKROOM_LOG              = "json"
      DARKROOM_UPLOAD_BUCKET    = aws_s3_bucket.images["uploads"].id
      DARKROOM_UPLOAD_PREFIX    = var.upload_prefix
      DARKROOM_THUMBNAIL_BUCKET = aws_s3_bucket.images["thumbnails"].id
      DARKROOM_TABLE            = aws_dynamodb_table.images.name
      DARKROOM_SIZES            = var.sizes
      DARKROOM_MAX_BYTES        = var.max_bytes
    },
    var.public_url == null ? {} : { DARKROOM_PUBLIC_URL = var.public_url },
  )

  worker_environment = merge(local.common_environment, {
    AWS_REGION                  = local.region
    DARKROOM_QUEUE_URL          = aws_sqs_queue.uploads.url
    DARKROOM_DLQ_URL            = aws_sqs_queue.dead_letters.url
    DARKROOM_VISIBILITY_TIMEOUT = "${var.visibility_timeout_seconds}s"
    DARKROOM_DRAIN_TIMEOUT      = "${local.drain_timeout_seconds}s"
    DARKROOM_RENDER_SLOTS       = tostring(local.render_slots)
    # Reachable from outside the task only if a metrics source is configured.
    DARKROOM_ADMIN_LISTEN = "${var.metrics_source_security_group_id == null ? "127.0.0.1" : "0.0.0.0"}:${local.admin_port}"
  })

  # Container settings that worker and sweep share.
  container = {
    image     = local.image_uri
    essential = true
    # The user "nonroot" of the image.
    user                   = "65532:65532"
    readonlyRootFilesystem = true
    linuxParameters = {
      # darkroom is process 1, so that it receives SIGTERM directly and not through a shell.
      initProcessEnabled = false
      capabilities       = { add = [], drop = ["ALL"] }
    }
    mountPoints    = []
    volumesFrom    = []
    systemControls = []
  }

  log_options = {
    awslogs-group  = aws_cloudwatch_log_group.worker.name
    awslogs-region = local.region
    # A logging outage must not stop the workers: lines are dropped instead.
    mode            = "non-blocking"
    max-buffer-size = "4m"
  }
}

resource "aws_ecs_cluster" "darkroom" {
  name = var.name

  setting {
    # The only source of the number of running tasks, which is the divisor in the scaling expression.
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "darkroom" {
  cluster_name       = aws_ecs_cluster.darkroom.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_cloudwatch_log_group" "worker" {
  name              = "/${var.name}/worker"
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_task_definition" "worker" {
  family                   = "${var.name}-worker"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.worker_cpu
  memory                   = var.worker_memory
  task_role_arn            = aws_iam_role.darkroom["worker"].arn
  execution_role_arn       = aws_iam_role.darkroom["execution"].arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture == "arm64" ? "ARM64" : "X86_64"
  }

  container_definitions = jsonencode([merge(local.container, {
    name    = "worker"
    command = ["worker"]
    cpu     = var.worker_cpu
    # Also set for the container: without it, its cgroup has no memory limit. The memory budget is 70 % of the limit.
    memory = var.worker_memory
    # The longest timeout of Fargate, and longer than the drain: work in progress is finished before the kill.
    stopTimeout  = 120
    environment  = [for key, value in local.worker_environment : { name = key, value = value }]
    portMappings = [{ containerPort = local.admin_port, hostPort = local.admin_port, protocol = "tcp" }]

    healthCheck = {
      # The image has no shell and no curl.
      command     = ["CMD", "/usr/local/bin/darkroom", "check", "--health"]
      interval    = 15
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }

    logConfiguration = {
      logDriver = "awslogs"
      options   = merge(local.log_options, { awslogs-stream-prefix = "worker" })
    }
  })])

  lifecycle {
    # The old revision is removed only after the service has moved, so that a failed deployment can roll back to it.
    create_before_destroy = true
  }
}

resource "aws_ecs_service" "worker" {
  name            = "${var.name}-worker"
  cluster         = aws_ecs_cluster.darkroom.id
  task_definition = aws_ecs_task_definition.worker.arn
  desired_count   = var.min_tasks

  # `terraform apply` ends when the new version runs, or fails after a rollback.
  wait_for_steady_state = true

  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"

  dynamic "capacity_provider_strategy" {
    for_each = { for provider, share in { FARGATE = 100 - var.spot_percent, FARGATE_SPOT = var.spot_percent } : provider => share if share > 0 }

    content {
      capacity_provider = capacity_provider_strategy.key
      weight            = capacity_provider_strategy.value
    }
  }

  # AWS changes the strategy of a running service only together with a new deployment.
  force_new_deployment = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.subnet_ids
    security_groups  = [aws_security_group.worker.id]
    assign_public_ip = local.assign_public_ip
  }

  lifecycle {
    # The scaling policies change it.
    ignore_changes = [desired_count]
  }

  depends_on = [
    aws_ecs_cluster_capacity_providers.darkroom,
    # Without these, the first task is denied all access and trips the circuit breaker.
    aws_iam_role_policy.darkroom,
    aws_iam_role_policy.key,
    aws_route.internet,
    aws_vpc_security_group_egress_rule.https,
  ]
}
