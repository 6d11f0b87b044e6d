# The catalog: one item per image.

locals {
  has_stream = var.table_stream || var.outcome_topic
}

resource "aws_dynamodb_table" "images" {
  name     = "${var.name}-images"
  hash_key = "id"

  # Two writes per image and nothing in between: capacity by the call, no throttling to plan for.
  billing_mode = "PAY_PER_REQUEST"

  deletion_protection_enabled = !var.force_destroy

  attribute {
    name = "id"
    type = "S"
  }

  ttl {
    # Only records of uploads that never came carry it; the first event of an upload removes it.
    attribute_name = "ttl"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  # Old and new image: a reader sees `published` appear, and what it replaced.
  stream_enabled   = local.has_stream
  stream_view_type = local.has_stream ? "NEW_AND_OLD_IMAGES" : null
}
