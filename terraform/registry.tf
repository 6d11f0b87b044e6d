# The repository of container images. It must exist before all other resources.

resource "aws_ecr_repository" "darkroom" {
  name         = var.name
  force_delete = var.force_destroy

  # With mutable tags, a rollback could run another image.
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "darkroom" {
  repository = aws_ecr_repository.darkroom.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Enough to roll back to, not every build there ever was"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 30 }
      action       = { type = "expire" }
    }]
  })
}

# Lambda adds this statement when a function is created. It is declared here so that Terraform finds no difference.
resource "aws_ecr_repository_policy" "darkroom" {
  repository = aws_ecr_repository.darkroom.name
  policy     = data.aws_iam_policy_document.repository.json
}

data "aws_iam_policy_document" "repository" {
  statement {
    sid     = "ApiFunctionMayPull"
    actions = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:lambda:${local.region}:${local.account}:function:${local.api_function}"]
    }
  }
}
