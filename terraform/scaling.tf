# The number of workers: enough for the arrivals, and to clear a backlog in acceptable_latency_seconds. docs/SCALING.md
# shows the results under high load.

locals {
  # The number of needed tasks divided by the number of running tasks. The needed tasks keep up with arrivals and clear
  # the backlog in the acceptable time. Messages in flight count, so that the last busy worker is not stopped. No
  # workers count as one, to avoid a division by zero. `darkroom simulate --plan` replays this expression:
  # src/simulate/plan.rs has a copy.
  needed_tasks = join("", [
    "(FILL(sent,0)/60+(FILL(visible,0)+FILL(inflight,0))/${var.acceptable_latency_seconds})",
    "*${var.seconds_per_image}/${var.worker_cpu / 1024}",
    "/IF(FILL(running,0)<1,1,running)",
  ])

  # The metrics of the policies and the alarms.
  queue_dimensions   = { QueueName = aws_sqs_queue.uploads.name }
  service_dimensions = { ClusterName = aws_ecs_cluster.darkroom.name, ServiceName = aws_ecs_service.worker.name }

  scaling_metrics = {
    sent     = { namespace = "AWS/SQS", name = "NumberOfMessagesSent", stat = "Sum", dimensions = local.queue_dimensions }
    visible  = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = local.queue_dimensions }
    inflight = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesNotVisible", stat = "Maximum", dimensions = local.queue_dimensions }
    running  = { namespace = "ECS/ContainerInsights", name = "RunningTaskCount", stat = "Average", dimensions = local.service_dimensions }
  }
}

resource "aws_appautoscaling_target" "worker" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.darkroom.name}/${aws_ecs_service.worker.name}"
  min_capacity       = var.min_tasks
  max_capacity       = var.max_tasks
}

resource "aws_appautoscaling_policy" "needed_tasks" {
  name               = "${var.name}-needed-tasks"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  target_tracking_scaling_policy_configuration {
    # Reserves a fifth of the tasks' time for bursts within a minute.
    target_value = 0.8

    # The time for a decision, a task's start, and metrics that are a minute late. A shorter cooldown would request the
    # same tasks twice.
    scale_out_cooldown = 180
    # Keeping a task for the last images of a queue costs less than stopping and restarting it.
    scale_in_cooldown = 300

    customized_metric_specification {
      dynamic "metrics" {
        for_each = local.scaling_metrics

        content {
          id          = metrics.key
          return_data = false

          metric_stat {
            stat = metrics.value.stat

            metric {
              namespace   = metrics.value.namespace
              metric_name = metrics.value.name

              dynamic "dimensions" {
                for_each = metrics.value.dimensions

                content {
                  name  = dimensions.key
                  value = dimensions.value
                }
              }
            }
          }
        }
      }

      metrics {
        id          = "needed_tasks"
        label       = "Workers that are needed, for each that runs"
        expression  = local.needed_tasks
        return_data = true
      }
    }
  }
}

# --- Waking from zero -------------------------------------------------------------------------------------------------

# Target tracking waits for three minutes and for enough work for a task. Without a worker, one message must be
# sufficient.
resource "aws_appautoscaling_policy" "wake" {
  count = var.min_tasks == 0 ? 1 : 0

  name               = "${var.name}-wake"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  step_scaling_policy_configuration {
    adjustment_type = "ChangeInCapacity"
    # The alarm stays active until the requested task runs. Request no further task in the meantime.
    cooldown = 180

    step_adjustment {
      metric_interval_lower_bound = 0
      scaling_adjustment          = 1
    }
  }
}
