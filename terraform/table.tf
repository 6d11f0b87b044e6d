# The catalog: one item per image.

locals {
  has_stream = var.table_stream || var.outcome_topic
}

resource "aws_dynamodb_table" "images" {
  name     = "${var.name}-images"
  hash_key = "id"

  # Two writes per image with idle times between: on-demand capacity needs no planning for throttling.
  billing_mode = "PAY_PER_REQUEST"

  deletion_protection_enabled = !var.force_destroy

  attribute {
    name = "id"
    type = "S"
  }

  ttl {
    # Only records without an upload have this attribute. The first event of an upload removes it.
    attribute_name = "ttl"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  # Old and new image: a reader sees the change to `published`, and the record before it.
  stream_enabled   = local.has_stream
  stream_view_type = local.has_stream ? "NEW_AND_OLD_IMAGES" : null
}
