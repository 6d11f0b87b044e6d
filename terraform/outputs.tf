# The values that the steps in docs/DEPLOY.md, scripts and dashboards need.

output "api_url" {
  description = "Address of the API, and of the upload page where there is no authentication."
  value       = aws_apigatewayv2_api.api.api_endpoint
}

output "api_id" {
  description = "Identifier of the HTTP API, for a mapping of your own domain."
  value       = aws_apigatewayv2_api.api.id
}

output "repository_url" {
  description = "Repository to push the image to."
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
  description = "Stream of the table's changes, only with table_stream or outcome_topic."
  value       = local.has_stream ? aws_dynamodb_table.images.stream_arn : null
}

output "outcomes_topic_arn" {
  description = "Topic for the outcome of each image, only with outcome_topic. Subscribe to it."
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
  description = "Topic for alarms. Subscribe to it."
  value       = aws_sns_topic.alarms.arn
}

output "kms_key_statement" {
  description = "Statement, as JSON, that the policy of kms_key_arn needs so that S3 can send events to the encrypted queue."
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
