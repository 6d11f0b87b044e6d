# What each setting makes of the plan. A run costs seconds, so settings that have nothing to do with each other share one.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  image_tag          = "1.2.3"
  api_authentication = "none"
  plain_uploads      = false
}

run "out_of_the_box" {
  command = plan

  assert {
    condition     = length(aws_vpc.own) == 1 && length(aws_subnet.public) == 2 && toset(keys(aws_vpc_endpoint.gateway)) == toset(["s3", "dynamodb"])
    error_message = "without subnets there must be a VPC with two subnets and both gateway endpoints"
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.metrics) == 0 && output.worker_environment.DARKROOM_ADMIN_LISTEN == "127.0.0.1:9464"
    error_message = "nobody may reach a worker unless a source of metrics is named"
  }
  assert {
    condition     = aws_ecs_service.worker.network_configuration[0].assign_public_ip
    error_message = "without a NAT gateway workers need a public address to reach AWS"
  }
  assert {
    condition     = [for strategy in aws_ecs_service.worker.capacity_provider_strategy : "${strategy.capacity_provider}:${strategy.weight}"] == ["FARGATE:100"]
    error_message = "Spot must be asked for"
  }
  assert {
    condition     = aws_ecs_task_definition.worker.runtime_platform[0].cpu_architecture == "ARM64" && tolist(aws_lambda_function.api.architectures) == tolist(["arm64"])
    error_message = "worker and API must be arm64 by default"
  }
  assert {
    condition     = endswith(aws_lambda_function.api.image_uri, "/darkroom:1.2.3") && jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].image == aws_lambda_function.api.image_uri
    error_message = "worker and API must run the same image"
  }
  assert {
    condition     = length(aws_scheduler_schedule.sweep) == 0 && toset(keys(aws_iam_role.darkroom)) == toset(["worker", "api", "execution"]) && keys(aws_iam_role_policy.darkroom) == keys(aws_iam_role.darkroom)
    error_message = "the sweep must be off by default"
  }
  assert {
    condition     = length(aws_appautoscaling_policy.wake) == 0 && aws_appautoscaling_target.worker.min_capacity == 1 && aws_appautoscaling_target.worker.max_capacity == 10
    error_message = "one worker must stay by default, and then there is nothing to wake"
  }
  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.images["uploads"].rule : rule.id] == ["unfinished-multipart-uploads", "old-versions"] && [for rule in aws_s3_bucket_lifecycle_configuration.images["thumbnails"].rule : rule.id] == ["unfinished-multipart-uploads"]
    error_message = "originals must be kept by default"
  }
  assert {
    condition     = aws_dynamodb_table.images.deletion_protection_enabled && alltrue([for bucket in aws_s3_bucket.images : !bucket.force_destroy]) && !aws_ecr_repository.darkroom.force_delete
    error_message = "a plain destroy must not delete anybody's images"
  }
  assert {
    condition     = !aws_dynamodb_table.images.stream_enabled && output.table_stream_arn == null
    error_message = "the stream must be off by default"
  }
  assert {
    condition     = length(aws_pipes_pipe.outcomes) == 0 && length(aws_sns_topic.outcomes) == 0 && output.outcomes_topic_arn == null
    error_message = "nobody may be told of outcomes unless it is asked for"
  }
  assert {
    condition     = one(aws_s3_bucket_cors_configuration.uploads.cors_rule).allowed_origins == toset([output.api_url]) && length(aws_apigatewayv2_api.api.cors_configuration) == 0
    error_message = "the API's own page must be allowed to upload, and no other"
  }
  assert {
    condition     = !contains(keys(output.worker_environment), "DARKROOM_PUBLIC_URL") && !contains(keys(output.api_environment), "DARKROOM_PUBLIC_URL")
    error_message = "thumbnails must be presigned by default"
  }
  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "nobody is mailed by default"
  }
  assert {
    condition = keys(aws_s3_bucket_public_access_block.images) == ["thumbnails", "uploads"] && alltrue([for block in aws_s3_bucket_public_access_block.images :
    block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "both buckets must refuse all public access"
  }
  assert {
    condition     = aws_s3_bucket_versioning.uploads.versioning_configuration[0].status == "Enabled"
    error_message = "a worker must be able to read the version that it was told of"
  }
  assert {
    condition     = aws_s3_bucket_notification.uploads.queue[0].filter_prefix == "uploads/" && aws_s3_bucket_notification.uploads.queue[0].events == toset(["s3:ObjectCreated:*"])
    error_message = "only uploads under the prefix may be announced"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].readonlyRootFilesystem && jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].user == "65532:65532" && jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].linuxParameters.capabilities.drop == ["ALL"]
    error_message = "the worker must run without root, capabilities and a writable root"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].stopTimeout > tonumber(trimsuffix(output.worker_environment.DARKROOM_DRAIN_TIMEOUT, "s"))
    error_message = "a worker must not be killed while it drains"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].memory == 2048
    error_message = "the container needs a limit of its own for the memory budget to be reckoned from"
  }
  assert {
    condition     = aws_ecs_service.worker.deployment_circuit_breaker[0].enable && aws_ecs_service.worker.deployment_circuit_breaker[0].rollback && aws_ecs_service.worker.wait_for_steady_state
    error_message = "a version that does not start must be rolled back, and apply must say so"
  }
  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.api : route.authorization_type == "NONE" && route.authorizer_id == null]) && length(aws_apigatewayv2_authorizer.jwt) == 0
    error_message = "without authentication there must be no authorizer"
  }
  assert {
    condition     = toset(keys(aws_apigatewayv2_route.api)) == toset(["POST /images", "GET /images", "GET /images/{id}", "GET /images/{id}/{size}", "GET /openapi.json", "GET /livez", "GET /", "GET /page/{file}"])
    error_message = "each route of the API must be there and none besides"
  }
  assert {
    condition     = aws_apigatewayv2_stage.api.default_route_settings[0].throttling_rate_limit == 50 && aws_apigatewayv2_stage.api.default_route_settings[0].throttling_burst_limit == 100
    error_message = "the API must be throttled"
  }
  assert {
    condition     = output.api_environment.DARKROOM_PLAIN_UPLOADS == "off" && output.api_environment.DARKROOM_REQUIRE_CONTENT_LENGTH == "on"
    error_message = "an unknown client must state how much it uploads"
  }
  assert {
    condition     = !contains(keys(output.api_environment), "DARKROOM_JWT_AUTHORIZER")
    error_message = "without an authorizer the API must not be told of one"
  }
  assert {
    condition     = !contains(keys(output.api_environment), "DARKROOM_CORS_ORIGINS")
    error_message = "no other page may write unless it is named"
  }
  assert {
    condition = alltrue([for queue in ["uploads", "dead_letters"] : length([for statement in data.aws_iam_policy_document.queue_tls_only[queue].statement : statement if
      statement.effect == "Deny" && tolist(statement.actions) == tolist(["sqs:*"]) && one(statement.principals).identifiers == toset(["*"]) && one(statement.condition).test == "Bool" && one(statement.condition).variable == "aws:SecureTransport" && one(statement.condition).values == tolist(["false"]) && endswith(one(statement.resources), replace(":darkroom-${queue}", "_", "-"))
    ]) == 1])
    error_message = "no queue may be used without TLS"
  }
  assert {
    condition     = keys(data.aws_iam_policy_document.topic_tls_only) == ["alarms"] && one(data.aws_iam_policy_document.alarms_topic.statement).actions == toset(["sns:Publish"]) && one(one(data.aws_iam_policy_document.alarms_topic.statement).principals).identifiers == toset(["cloudwatch.amazonaws.com"])
    error_message = "alarms must reach their topic"
  }
  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.uploads, aws_sqs_queue.dead_letters] : queue.sqs_managed_sse_enabled && queue.kms_master_key_id == null]) && alltrue([for encryption in aws_s3_bucket_server_side_encryption_configuration.images : one(one(encryption.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"]) && length(aws_iam_role_policy.key) == 0
    error_message = "queues and buckets must be encrypted with AWS's own keys by default"
  }
}

run "anonymous_uploads_are_accepted_in_words" {
  command = plan

  variables {
    plain_uploads            = true
    accept_anonymous_uploads = "anyone may upload anything"
  }

  assert {
    condition     = contains(keys(aws_apigatewayv2_route.api), "GET /upload-url") && output.api_environment.DARKROOM_PLAIN_UPLOADS == "on" && output.api_environment.DARKROOM_REQUIRE_CONTENT_LENGTH == "on"
    error_message = "plain URLs must be handed out, and others for a stated length only"
  }
}

run "a_key_of_ones_own" {
  command = plan

  variables {
    kms_key_arn   = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    outcome_topic = true
    sweep_enabled = true
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.uploads, aws_sqs_queue.dead_letters] : queue.kms_master_key_id == var.kms_key_arn && queue.sqs_managed_sse_enabled != true])
    error_message = "both queues must be encrypted with the key"
  }
  assert {
    condition     = alltrue([for encryption in aws_s3_bucket_server_side_encryption_configuration.images : one(encryption.rule).bucket_key_enabled && one(one(encryption.rule).apply_server_side_encryption_by_default) == { sse_algorithm = "aws:kms", kms_master_key_id = var.kms_key_arn }]) && length(aws_s3_bucket_server_side_encryption_configuration.images) == 2
    error_message = "both buckets must be encrypted with the key"
  }
  assert {
    condition     = aws_sns_topic.outcomes[0].kms_master_key_id == var.kms_key_arn
    error_message = "the topic of outcomes must be encrypted with the key"
  }
  assert {
    condition = jsonencode({ for role, document in data.aws_iam_policy_document.key : role => { for statement in document.statement : statement.sid => sort(statement.actions) } }) == jsonencode({
      worker   = { UseTheKeyThroughSqs = ["kms:Decrypt"], UseTheKeyThroughS3 = ["kms:Decrypt", "kms:GenerateDataKey"] }
      api      = { UseTheKeyThroughS3 = ["kms:Decrypt", "kms:GenerateDataKey"] }
      sweep    = { UseTheKeyThroughSqs = ["kms:Decrypt", "kms:GenerateDataKey"] }
      outcomes = { UseTheKeyThroughSns = ["kms:Decrypt", "kms:GenerateDataKey"] }
    })
    error_message = "each role must use the key for what it does, and through the service alone"
  }
  assert {
    condition     = toset(keys(aws_iam_role_policy.key)) == toset(["worker", "api", "sweep", "outcomes"]) && alltrue(flatten([for document in data.aws_iam_policy_document.key : [for statement in document.statement : statement.resources == toset([var.kms_key_arn]) && one(statement.condition).variable == "kms:ViaService" && one(statement.condition).values == tolist(["${lower(trimprefix(statement.sid, "UseTheKeyThrough"))}.us-east-1.amazonaws.*"])]]))
    error_message = "the roles may use this key, and only through a service"
  }
  assert {
    condition     = jsondecode(output.kms_key_statement).Principal.Service == "s3.amazonaws.com" && jsondecode(output.kms_key_statement).Action == ["kms:GenerateDataKey", "kms:Decrypt"] && jsondecode(output.kms_key_statement).Condition == { ArnLike = { "aws:SourceArn" = "arn:aws:s3:::darkroom-uploads-123456789012-us-east-1" }, StringEquals = { "aws:SourceAccount" = "123456789012" } }
    error_message = "the owner of the key must learn what S3 needs"
  }
}

run "a_key_of_ones_own_for_the_least" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  assert {
    condition     = toset(keys(aws_iam_role_policy.key)) == toset(["worker", "api"])
    error_message = "roles that do not exist may use nothing"
  }
}

run "given_private_subnets" {
  command = plan

  variables {
    subnet_ids                       = ["subnet-a", "subnet-b"]
    metrics_source_security_group_id = "sg-prometheus"
  }

  assert {
    condition     = length(aws_vpc.own) + length(aws_subnet.public) + length(aws_internet_gateway.own) + length(aws_vpc_endpoint.gateway) == 0
    error_message = "with given subnets no network may be made"
  }
  assert {
    condition     = aws_ecs_service.worker.network_configuration[0].subnets == toset(["subnet-a", "subnet-b"]) && !aws_ecs_service.worker.network_configuration[0].assign_public_ip && aws_security_group.worker.vpc_id == "vpc-given"
    error_message = "workers must run in the given subnets, in their VPC, without a public address"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.metrics[0].from_port == 9464 && aws_vpc_security_group_ingress_rule.metrics[0].to_port == 9464 && aws_vpc_security_group_ingress_rule.metrics[0].referenced_security_group_id == "sg-prometheus"
    error_message = "the named group must reach the admin port and no other"
  }
  assert {
    condition     = output.worker_environment.DARKROOM_ADMIN_LISTEN == "0.0.0.0:9464"
    error_message = "the worker must listen for who may ask"
  }
}

run "given_public_subnets" {
  command = plan

  variables {
    subnet_ids         = ["subnet-a"]
    subnets_are_public = true
    spot_percent       = 100
    worker_cpu         = 512
    worker_memory      = 1024
  }

  assert {
    condition     = aws_ecs_service.worker.network_configuration[0].assign_public_ip
    error_message = "in public subnets workers need a public address"
  }
  assert {
    condition     = [for strategy in aws_ecs_service.worker.capacity_provider_strategy : strategy.capacity_provider] == ["FARGATE_SPOT"]
    error_message = "a share of zero must be left out"
  }
  assert {
    condition     = output.worker_environment.DARKROOM_RENDER_SLOTS == "1" && endswith(local.needed_tasks, "*0.25/0.5/IF(FILL(running,0)<1,1,running)")
    error_message = "there must be one slot at least, on as much of a core as there is"
  }
}

run "workers_as_asked_for" {
  command = plan

  variables {
    visibility_timeout_seconds = 90
    max_receives               = 7
    min_tasks                  = 0
    acceptable_latency_seconds = 120
    seconds_per_image          = 0.5
    worker_cpu                 = 4096
    worker_memory              = 8192
    spot_percent               = 30
    architecture               = "amd64"
  }

  assert {
    condition     = aws_sqs_queue.uploads.visibility_timeout_seconds == 90 && output.worker_environment.DARKROOM_VISIBILITY_TIMEOUT == "90s"
    error_message = "queue and worker must have the same visibility timeout"
  }
  assert {
    condition     = jsondecode(aws_sqs_queue.uploads.redrive_policy).maxReceiveCount == 7
    error_message = "max_receives must be the queue's"
  }
  assert {
    condition     = aws_sqs_queue.dead_letters.message_retention_seconds == 1209600 && jsondecode(aws_sqs_queue.dead_letters.redrive_allow_policy).redrivePermission == "byQueue"
    error_message = "dead letters must be kept for 14 days and come from the one queue"
  }
  assert {
    condition     = aws_appautoscaling_target.worker.min_capacity == 0 && aws_ecs_service.worker.desired_count == 0
    error_message = "no worker may run at rest"
  }
  assert {
    condition     = aws_appautoscaling_policy.wake[0].step_scaling_policy_configuration[0].adjustment_type == "ChangeInCapacity" && aws_cloudwatch_metric_alarm.waiting_without_worker["wake"].alarm_actions == toset([aws_appautoscaling_policy.wake[0].arn])
    error_message = "one waiting message must wake a worker"
  }
  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.waiting_without_worker["wake"].metric_query : query.expression if query.return_data == true]) == "IF(FILL(running,0)<1,FILL(visible,0),0)"
    error_message = "waking must stop as soon as a worker runs"
  }
  assert {
    condition     = aws_appautoscaling_policy.needed_tasks.target_tracking_scaling_policy_configuration[0].target_value == 0.8 && output.worker_environment.DARKROOM_RENDER_SLOTS == "4"
    error_message = "a fifth of the tasks' time must be left, and each core must render"
  }
  assert {
    condition     = aws_appautoscaling_policy.needed_tasks.target_tracking_scaling_policy_configuration[0].scale_in_cooldown >= 300 && aws_appautoscaling_policy.needed_tasks.target_tracking_scaling_policy_configuration[0].scale_out_cooldown == 180
    error_message = "scaling in must be slow, and scaling out must see the tasks that it asked for"
  }
  assert {
    condition = (
      { for metric in aws_appautoscaling_policy.needed_tasks.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : metric.id => metric.expression if metric.return_data } ==
      { needed_tasks = "(FILL(sent,0)/60+(FILL(visible,0)+FILL(inflight,0))/120)*0.5/4/IF(FILL(running,0)<1,1,running)" }
    )
    error_message = "the metric must know arrivals, count messages in hand and survive zero workers"
  }
  assert {
    condition     = { for strategy in aws_ecs_service.worker.capacity_provider_strategy : strategy.capacity_provider => strategy.weight } == { FARGATE = 70, FARGATE_SPOT = 30 }
    error_message = "both providers must have their share"
  }
  assert {
    condition     = aws_ecs_task_definition.worker.runtime_platform[0].cpu_architecture == "X86_64" && tolist(aws_lambda_function.api.architectures) == tolist(["x86_64"])
    error_message = "worker and API must be of the image's architecture"
  }
}

run "api_as_asked_for" {
  command = plan

  variables {
    api_authentication = "jwt"
    jwt_issuer         = "https://login.example.com/"
    jwt_audience       = ["darkroom"]
    plain_uploads      = false
    cors_origins       = ["https://app.example.com"]
    public_url         = "https://cdn.example.com"
    allow_delete       = true
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.api : route.authorization_type == "JWT" && route.authorizer_id == "authorizer1"])
    error_message = "every route must ask for a token"
  }
  assert {
    condition     = toset(keys(aws_apigatewayv2_route.api)) == toset(["POST /images", "GET /images", "GET /images/{id}", "DELETE /images/{id}", "GET /images/{id}/{size}", "GET /openapi.json", "GET /livez"])
    error_message = "the page cannot send a token; who has one may delete where that is allowed"
  }
  assert {
    condition     = !contains(keys(aws_apigatewayv2_route.api), "GET /upload-url") && output.api_environment.DARKROOM_PLAIN_UPLOADS == "off"
    error_message = "neither gateway nor function may hand out plain URLs"
  }
  assert {
    condition     = output.api_environment.DARKROOM_JWT_AUTHORIZER == "on" && output.api_environment.DARKROOM_REQUIRE_CONTENT_LENGTH == "off"
    error_message = "the API must know that the gateway checks tokens; a known client need not state a length"
  }
  assert {
    condition     = output.api_environment.DARKROOM_CORS_ORIGINS == "https://app.example.com"
    error_message = "the API must let the page write"
  }
  assert {
    condition     = one(aws_s3_bucket_cors_configuration.uploads.cors_rule).allowed_origins == toset([output.api_url, "https://app.example.com"]) && aws_apigatewayv2_api.api.cors_configuration[0].allow_origins == toset(["https://app.example.com"])
    error_message = "bucket and API must let the page in"
  }
  assert {
    condition     = output.worker_environment.DARKROOM_PUBLIC_URL == "https://cdn.example.com" && output.api_environment.DARKROOM_PUBLIC_URL == "https://cdn.example.com"
    error_message = "worker and API must know where thumbnails are served from"
  }
}

run "originals_are_kept" {
  command = plan

  variables {
    sweep_enabled          = true
    delete_originals_after = ""
  }

  assert {
    condition     = !contains([for setting in jsondecode(aws_ecs_task_definition.sweep[0].container_definitions)[0].environment : setting.name], "DARKROOM_DELETE_ORIGINALS_AFTER")
    error_message = "the sweep must delete no originals unless it is asked to"
  }
  assert {
    condition     = length([for statement in data.aws_iam_policy_document.sweep.statement : statement if contains(["FindOriginals", "DeleteOriginals"], statement.sid)]) == 0
    error_message = "a sweep that keeps originals must not be able to delete them"
  }
}

run "originals_are_deleted" {
  command = plan

  variables {
    sweep_enabled          = true
    delete_originals_after = "3650d"
    upload_prefix          = "in/photos/"
  }

  assert {
    condition     = { for setting in jsondecode(aws_ecs_task_definition.sweep[0].container_definitions)[0].environment : setting.name => setting.value }.DARKROOM_DELETE_ORIGINALS_AFTER == "3650d"
    error_message = "the sweep must be told after which time originals go"
  }
  assert {
    condition     = !contains(keys(output.worker_environment), "DARKROOM_DELETE_ORIGINALS_AFTER") && !contains(keys(output.api_environment), "DARKROOM_DELETE_ORIGINALS_AFTER")
    error_message = "neither worker nor API deletes originals"
  }
  assert {
    condition = jsonencode({ for statement in data.aws_iam_policy_document.sweep.statement : statement.sid => { actions = sort(statement.actions), resources = sort(statement.resources) } if contains(["FindOriginals", "DeleteOriginals"], statement.sid) }) == jsonencode({
      FindOriginals   = { actions = ["s3:ListBucketVersions"], resources = ["arn:aws:s3:::darkroom-uploads-123456789012-us-east-1"] }
      DeleteOriginals = { actions = ["s3:DeleteObject", "s3:DeleteObjectVersion"], resources = ["arn:aws:s3:::darkroom-uploads-123456789012-us-east-1/in/photos/*"] }
    })
    error_message = "the sweep must find and delete originals, and only what is under the prefix"
  }
}

run "data_as_asked_for" {
  command = plan

  variables {
    original_retention_days      = 30
    upload_prefix                = "in/photos/"
    sweep_enabled                = true
    force_destroy                = true
    table_stream                 = true
    alarm_email                  = "ops@example.com"
    oldest_message_alarm_seconds = 1200
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.images["uploads"].rule[2].expiration[0].days == 30 && aws_s3_bucket_lifecycle_configuration.images["uploads"].rule[2].filter[0].prefix == "in/photos/"
    error_message = "originals must expire, and only what is under the prefix"
  }
  assert {
    condition     = aws_s3_bucket_notification.uploads.queue[0].filter_prefix == "in/photos/" && output.worker_environment.DARKROOM_UPLOAD_PREFIX == "in/photos/" && output.api_environment.DARKROOM_UPLOAD_PREFIX == "in/photos/"
    error_message = "notification, worker and API must agree on the prefix"
  }
  assert {
    condition     = aws_scheduler_schedule.sweep[0].schedule_expression == "rate(1 hour)" && jsondecode(aws_ecs_task_definition.sweep[0].container_definitions)[0].command == ["sweep"]
    error_message = "the sweep must run every hour"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.sweep[0].container_definitions)[0].readonlyRootFilesystem && jsondecode(aws_ecs_task_definition.sweep[0].container_definitions)[0].user == "65532:65532"
    error_message = "the sweep must be locked down like a worker"
  }
  assert {
    condition     = !aws_dynamodb_table.images.deletion_protection_enabled && alltrue([for bucket in aws_s3_bucket.images : bucket.force_destroy]) && aws_ecr_repository.darkroom.force_delete
    error_message = "everything that holds data must let go"
  }
  assert {
    condition     = aws_dynamodb_table.images.stream_enabled && aws_dynamodb_table.images.stream_view_type == "NEW_AND_OLD_IMAGES" && output.table_stream_arn != null
    error_message = "a reader must see what a record was and what it became"
  }
  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "ops@example.com"
    error_message = "the address must be subscribed"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.oldest_message.threshold == 1200
    error_message = "the alarm must go off at the given age"
  }
  assert {
    condition     = alltrue([for alarm in [aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.oldest_message, aws_cloudwatch_metric_alarm.waiting_without_worker["no-worker"], aws_cloudwatch_metric_alarm.api_errors] : alarm.alarm_actions == toset([output.alarms_topic_arn]) && alarm.treat_missing_data == "notBreaching"])
    error_message = "every alarm must tell the topic, and silence is no alarm"
  }
}

run "outcomes_are_told" {
  command = plan

  variables {
    outcome_topic = true
  }

  assert {
    condition     = aws_dynamodb_table.images.stream_enabled && aws_dynamodb_table.images.stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "the pipe needs the table's stream"
  }
  assert {
    condition     = jsondecode(one(aws_pipes_pipe.outcomes[0].source_parameters[0].filter_criteria[0].filter).pattern) == { eventName = ["INSERT", "MODIFY"], dynamodb = { NewImage = { status = { S = ["published", "invalid_content_type", "failed"] } } } }
    error_message = "every verdict must be told, and nothing else"
  }
  assert {
    condition     = aws_pipes_pipe.outcomes[0].source_parameters[0].dynamodb_stream_parameters[0].starting_position == "TRIM_HORIZON" && aws_pipes_pipe.outcomes[0].source_parameters[0].dynamodb_stream_parameters[0].maximum_retry_attempts == -1 && aws_pipes_pipe.outcomes[0].source_parameters[0].dynamodb_stream_parameters[0].maximum_record_age_in_seconds == -1
    error_message = "what the stream has must be told for as long as it has it"
  }
  assert {
    condition     = contains(keys(aws_iam_role_policy.darkroom), "outcomes") && !contains(keys(aws_iam_role_policy.darkroom), "sweep")
    error_message = "the pipe must have a role of its own"
  }
  assert {
    condition     = keys(data.aws_iam_policy_document.topic_tls_only) == ["alarms", "outcomes"] && length(aws_sns_topic_policy.outcomes) == 1 && alltrue([for document in data.aws_iam_policy_document.topic_tls_only : one(document.statement).effect == "Deny" && one(one(document.statement).condition).variable == "aws:SecureTransport" && one(one(document.statement).condition).values == tolist(["false"])])
    error_message = "no topic may be told anything without TLS"
  }
  assert {
    condition     = aws_sns_topic.outcomes[0].kms_master_key_id == "alias/aws/sns"
    error_message = "the topic must be encrypted with AWS's own key by default"
  }
}
