# The versions of Terraform and its provider, and values common to all resources.

terraform {
  # Since 1.9, a variable's validation may refer to other variables.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 5.100 is tested by applying it. 6 is only compared with its schema: tests/terraform/test_next_provider.py.
      version = ">= 5.100, < 7.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge({ Project = var.name }, var.tags)
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# The region of the provider. Version 5 and 6 have no attribute of `aws_region` in common that is not deprecated.
data "aws_service" "sqs" {
  service_id = "sqs"
}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_service.sqs.region

  # Names are made here and ARNs derived from them, so that policies of two resources may refer to each other.
  upload_bucket    = "${var.name}-uploads-${local.account}-${local.region}"
  thumbnail_bucket = "${var.name}-thumbnails-${local.account}-${local.region}"

  upload_bucket_arn    = "arn:${local.partition}:s3:::${local.upload_bucket}"
  thumbnail_bucket_arn = "arn:${local.partition}:s3:::${local.thumbnail_bucket}"
  queue_arn            = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-uploads"
  dead_letters_arn     = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-dead-letters"
  table_arn            = "arn:${local.partition}:dynamodb:${local.region}:${local.account}:table/${var.name}-images"

  # The objects that darkroom reads and writes. The second prefix is the prefix of all output keys, as in src/recipe.rs.
  upload_objects_arn    = "${local.upload_bucket_arn}/${var.upload_prefix}*"
  thumbnail_objects_arn = "${local.thumbnail_bucket_arn}/thumbnails/*"

  image_uri = "${aws_ecr_repository.darkroom.repository_url}:${var.image_tag}"
}
