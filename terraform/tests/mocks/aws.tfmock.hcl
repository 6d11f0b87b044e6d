# What the AWS provider would answer: just enough that a plan is complete.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_service" {
  defaults = { region = "us-east-1" }
}

mock_data "aws_availability_zones" {
  defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
}

mock_data "aws_subnet" {
  defaults = { vpc_id = "vpc-given" }
}

mock_data "aws_iam_policy_document" {
  defaults = { json = "{}" }
}

mock_resource "aws_vpc" {
  override_during = plan
  defaults        = { id = "vpc-own" }
}

mock_resource "aws_subnet" {
  override_during = plan
  defaults        = { id = "subnet-own" }
}

mock_resource "aws_s3_bucket" {
  override_during = plan
  defaults        = { id = "bucket", arn = "arn:aws:s3:::bucket" }
}

mock_resource "aws_sqs_queue" {
  override_during = plan
  defaults        = { arn = "arn:aws:sqs:us-east-1:123456789012:queue", url = "https://sqs.us-east-1.amazonaws.com/123456789012/queue" }
}

mock_resource "aws_dynamodb_table" {
  override_during = plan
  defaults        = { arn = "arn:aws:dynamodb:us-east-1:123456789012:table/images", stream_arn = "arn:aws:dynamodb:us-east-1:123456789012:table/images/stream/1" }
}

mock_resource "aws_ecr_repository" {
  override_during = plan
  defaults        = { arn = "arn:aws:ecr:us-east-1:123456789012:repository/darkroom", repository_url = "123456789012.dkr.ecr.us-east-1.amazonaws.com/darkroom" }
}

mock_resource "aws_iam_role" {
  override_during = plan
  defaults        = { arn = "arn:aws:iam::123456789012:role/role" }
}

mock_resource "aws_cloudwatch_log_group" {
  override_during = plan
  defaults        = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:group" }
}

mock_resource "aws_lambda_function" {
  override_during = plan
  defaults        = { arn = "arn:aws:lambda:us-east-1:123456789012:function:api", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/api/invocations" }
}

mock_resource "aws_apigatewayv2_api" {
  override_during = plan
  defaults        = { id = "api1", api_endpoint = "https://api1.execute-api.us-east-1.amazonaws.com", execution_arn = "arn:aws:execute-api:us-east-1:123456789012:api1" }
}

mock_resource "aws_apigatewayv2_authorizer" {
  override_during = plan
  defaults        = { id = "authorizer1" }
}

mock_resource "aws_ecs_cluster" {
  override_during = plan
  defaults        = { id = "arn:aws:ecs:us-east-1:123456789012:cluster/darkroom", arn = "arn:aws:ecs:us-east-1:123456789012:cluster/darkroom" }
}

mock_resource "aws_ecs_task_definition" {
  override_during = plan
  defaults        = { arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/task:1", arn_without_revision = "arn:aws:ecs:us-east-1:123456789012:task-definition/task" }
}

mock_resource "aws_sns_topic" {
  override_during = plan
  defaults        = { arn = "arn:aws:sns:us-east-1:123456789012:alarms" }
}

mock_resource "aws_appautoscaling_policy" {
  override_during = plan
  defaults        = { arn = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:policy" }
}
