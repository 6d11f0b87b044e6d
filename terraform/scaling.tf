# How many workers: enough that nothing waits longer than acceptable_latency_seconds.

locals {
  # What one task works off in the acceptable time.
  messages_per_task = floor(var.acceptable_latency_seconds / var.seconds_per_image * local.render_slots)

  # The metrics that both policies and the alarms are made of.
  queue_dimensions   = { QueueName = aws_sqs_queue.uploads.name }
  service_dimensions = { ClusterName = aws_ecs_cluster.darkroom.name, ServiceName = aws_ecs_service.worker.name }

  backlog_metrics = {
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

resource "aws_appautoscaling_policy" "backlog" {
  name               = "${var.name}-backlog-per-task"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  target_tracking_scaling_policy_configuration {
    target_value = local.messages_per_task

    # A task pulls its image and starts within a minute; asking again sooner would count none of the new ones.
    scale_out_cooldown = 60
    # An image of the queue's tail costs less than a task that is stopped and started again.
    scale_in_cooldown = 300

    customized_metric_specification {
      dynamic "metrics" {
        for_each = local.backlog_metrics

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
        id    = "backlog_per_task"
        label = "Messages waiting or in hand, per running worker"
        # Messages in hand count, or the last busy worker is stopped; no worker counts as one, or there is nothing to divide by.
        expression  = "(FILL(visible,0)+FILL(inflight,0))/IF(FILL(running,0)<1,1,running)"
        return_data = true
      }
    }
  }
}

# --- Waking from zero -------------------------------------------------------------------------------------------------

# Target tracking only acts on more than a task's worth of messages: without a worker, one must do.
resource "aws_appautoscaling_policy" "wake" {
  count = var.min_tasks == 0 ? 1 : 0

  name               = "${var.name}-wake"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  step_scaling_policy_configuration {
    adjustment_type = "ChangeInCapacity"
    # Until the task that was asked for runs, the alarm goes on: do not ask again meanwhile.
    cooldown = 180

    step_adjustment {
      metric_interval_lower_bound = 0
      scaling_adjustment          = 1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "wake" {
  count = var.min_tasks == 0 ? 1 : 0

  alarm_name          = "${var.name}-wake"
  alarm_description   = "Not a fault: uploads wait and no worker runs, so one is started."
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.wake[0].arn]

  metric_query {
    id          = "waiting_without_worker"
    label       = "Messages waiting while no worker runs"
    expression  = local.waiting_without_worker
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.waiting_metrics

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
