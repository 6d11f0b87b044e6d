# What the walk-through in docs/DEPLOY.md, scripts and dashboards need to know.

output "api_url" {
  description = "Address of the API, and of the upload page where there is no authentication."
  value       = aws_apigatewayv2_api.api.api_endpoint
}

output "repository_url" {
  description = "Where the image is pushed to."
  value       = aws_ecr_repository.darkroom.repository_url
}

output "image_uri" {
  description = "The image that worker and API run."
  value       = local.image_uri
}

output "upload_bucket" {
  description = "Bucket of the originals."
  value       = aws_s3_bucket.images["uploads"].id
}

output "thumbnail_bucket" {
  description = "Bucket of the thumbnails."
  value       = aws_s3_bucket.images["thumbnails"].id
}

output "table" {
  description = "Table of the images' records."
  value       = aws_dynamodb_table.images.name
}

output "table_stream_arn" {
  description = "Stream of the table's changes, with table_stream or outcome_topic only."
  value       = local.has_stream ? aws_dynamodb_table.images.stream_arn : null
}

output "outcomes_topic_arn" {
  description = "Topic that is told what became of each image, with outcome_topic only: subscribe to it."
  value       = one(aws_sns_topic.outcomes[*].arn)
}

output "queue_url" {
  description = "Queue of the uploads."
  value       = aws_sqs_queue.uploads.url
}

output "dlq_url" {
  description = "Queue of the dead letters."
  value       = aws_sqs_queue.dead_letters.url
}

output "cluster" {
  description = "ECS cluster of the workers."
  value       = aws_ecs_cluster.darkroom.name
}

output "service" {
  description = "ECS service of the workers."
  value       = aws_ecs_service.worker.name
}

output "worker_log_group" {
  description = "Logs of the workers and of the sweep."
  value       = aws_cloudwatch_log_group.worker.name
}

output "api_log_group" {
  description = "Logs of the API's function."
  value       = aws_cloudwatch_log_group.api.name
}

output "alarms_topic_arn" {
  description = "Topic that tells of alarms: subscribe to it."
  value       = aws_sns_topic.alarms.arn
}

output "kms_key_statement" {
  description = "What the policy of kms_key_arn must hold for S3 to send events to the encrypted queue, as JSON."
  value       = jsonencode(local.kms_key_statement)
}

output "worker_environment" {
  description = "The settings of a worker, to run one elsewhere."
  value       = local.worker_environment
}

output "api_environment" {
  description = "The settings of the API, to run one elsewhere."
  value       = local.api_environment
}

output "operator_environment" {
  description = "The settings for the operator's commands (dlq, backfill, sweep)."
  value       = local.sweep_environment
}
