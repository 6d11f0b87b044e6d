# A customer managed KMS key, only with kms_key_arn: the permissions of each role, and the statement for the key policy.

locals {
  has_key = var.kms_key_arn != null

  use_of_key = {
    read  = ["kms:Decrypt"]
    write = ["kms:GenerateDataKey"]
    # SQS and SNS verify a data key that they reuse.
    send = ["kms:Decrypt", "kms:GenerateDataKey"]
  }

  # Role -> service that uses the key for the role -> actions. HEAD and DELETE of an object need none.
  key_uses = merge(
    {
      worker = {
        sqs = local.use_of_key.read                                 # upload events
        s3  = concat(local.use_of_key.read, local.use_of_key.write) # originals, thumbnails
      }
      api = {
        # A signed URL has the permissions of its signer.
        s3 = concat(local.use_of_key.read, local.use_of_key.write)
      }
    },
    !var.sweep_enabled ? {} : {
      sweep = { sqs = local.use_of_key.send } # sends events, reads dead letters
    },
    !var.outcome_topic ? {} : {
      outcomes = { sns = local.use_of_key.send }
    },
  )

  # S3 encrypts its events with its own service principal. The key's owner manages the key policy.
  kms_key_statement = {
    Sid       = "UploadBucketMaySendEncryptedEvents"
    Effect    = "Allow"
    Principal = { Service = "s3.amazonaws.com" }
    Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
    Resource  = "*"
    Condition = {
      ArnLike      = { "aws:SourceArn" = local.upload_bucket_arn }
      StringEquals = { "aws:SourceAccount" = local.account }
    }
  }
}

resource "aws_iam_role_policy" "key" {
  for_each = local.has_key ? local.key_uses : {}

  name   = "key"
  role   = aws_iam_role.darkroom[each.key].id
  policy = data.aws_iam_policy_document.key[each.key].json
}

data "aws_iam_policy_document" "key" {
  for_each = local.has_key ? local.key_uses : {}

  dynamic "statement" {
    for_each = each.value

    content {
      sid       = "UseTheKeyThrough${title(statement.key)}"
      actions   = statement.value
      resources = [var.kms_key_arn]

      # Only through the service, never by a direct call to KMS. The end of the name differs between partitions.
      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["${statement.key}.${local.region}.amazonaws.*"]
      }
    }
  }
}
