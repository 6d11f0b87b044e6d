# The API: an HTTP API in front of one Lambda function, which runs the same image as the workers.

locals {
  api_function = "${var.name}-api"

  api_environment = merge(
    local.common_environment,
    {
      DARKROOM_UPLOAD_URL_EXPIRY = var.upload_url_expiry
      DARKROOM_PLAIN_UPLOADS     = var.plain_uploads ? "on" : "off"
      DARKROOM_ALLOW_DELETE      = var.allow_delete ? "on" : "off"
      # Unauthenticated clients must state the size of an upload, at most max_bytes: S3 then accepts exactly that size.
      DARKROOM_REQUIRE_CONTENT_LENGTH = var.api_authentication == "none" ? "on" : "off"
    },
    # The gateway validates the tokens. darkroom reports an error if its own tokens are also configured.
    var.api_authentication == "jwt" ? { DARKROOM_JWT_AUTHORIZER = "on" } : {},
    var.base_path == null ? {} : { DARKROOM_BASE_PATH = var.base_path },
    # The gateway answers preflight requests. The function checks the origin of writes.
    length(var.cors_origins) == 0 ? {} : { DARKROOM_CORS_ORIGINS = join(",", var.cors_origins) },
  )

  # The routes are listed individually: other requests never reach the function.
  api_routes = concat(
    [
      "POST /images",
      "GET /images",
      "GET /images/{id}",
      "GET /images/{id}/{size}",
      "GET /openapi.json",
      "GET /livez",
    ],
    var.plain_uploads ? ["GET /upload-url"] : [],
    var.allow_delete ? ["DELETE /images/{id}"] : [],
    # The page cannot obtain a token.
    var.api_authentication == "none" ? ["GET /", "GET /page/{file}"] : [],
  )
}

resource "aws_cloudwatch_log_group" "api" {
  name              = "/${var.name}/api"
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_function" "api" {
  function_name = local.api_function
  description   = "darkroom api: upload URLs and the status of images"
  role          = aws_iam_role.darkroom["api"].arn
  package_type  = "Image"
  image_uri     = local.image_uri
  architectures = [var.architecture == "arm64" ? "arm64" : "x86_64"]
  memory_size   = var.api_memory

  # A request makes at most two calls to DynamoDB. A longer one would fail anyway.
  timeout = 10

  image_config {
    command = ["api"]
  }

  environment {
    variables = local.api_environment
  }

  logging_config {
    # darkroom already writes JSON.
    log_format = "Text"
    # A managed log group: Lambda would create its own without retention.
    log_group = aws_cloudwatch_log_group.api.name
  }

  depends_on = [
    aws_ecr_repository_policy.darkroom,
    aws_iam_role_policy.darkroom,
    aws_iam_role_policy.key,
  ]
}

resource "aws_apigatewayv2_api" "api" {
  name          = var.name
  description   = "darkroom"
  protocol_type = "HTTP"

  dynamic "cors_configuration" {
    # The gateway answers for all origins or none: it drops the function's CORS headers.
    for_each = length(var.cors_origins) == 0 ? [] : [var.cors_origins]

    content {
      allow_origins  = cors_configuration.value
      allow_methods  = concat(["GET", "POST"], var.allow_delete ? ["DELETE"] : [])
      allow_headers  = ["authorization", "content-type", "if-none-match"]
      expose_headers = ["etag", "location", "retry-after"]
      max_age        = 3600
    }
  }
}

resource "aws_apigatewayv2_integration" "api" {
  api_id                 = aws_apigatewayv2_api.api.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.api.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  count = var.api_authentication == "jwt" ? 1 : 0

  api_id           = aws_apigatewayv2_api.api.id
  name             = "jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.jwt_issuer
    audience = var.jwt_audience
  }
}

resource "aws_apigatewayv2_route" "api" {
  for_each = toset(local.api_routes)

  api_id             = aws_apigatewayv2_api.api.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.api.id}"
  authorization_type = var.api_authentication == "jwt" ? "JWT" : "NONE"
  authorizer_id      = one(aws_apigatewayv2_authorizer.jwt[*].id)
}

resource "aws_cloudwatch_log_group" "api_access" {
  # A group with this prefix does not count towards the size limit of the account's log resource policy.
  name              = "/aws/vendedlogs/${var.name}/api-access"
  retention_in_days = var.log_retention_days
}

resource "aws_apigatewayv2_stage" "api" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = var.api_requests_per_second
    throttling_burst_limit = 2 * var.api_requests_per_second
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api_access.arn

    # Without path and query: the route is sufficient, and keys of clients are confidential.
    format = jsonencode({
      requestId   = "$context.requestId"
      time        = "$context.requestTime"
      ip          = "$context.identity.sourceIp"
      route       = "$context.routeKey"
      status      = "$context.status"
      bytes       = "$context.responseLength"
      latencyMs   = "$context.responseLatency"
      error       = "$context.error.message"
      integration = "$context.integrationErrorMessage"
    })
  }
}

resource "aws_lambda_permission" "api" {
  statement_id  = "HttpApiMayInvoke"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.api.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.api.execution_arn}/*/*"
}
