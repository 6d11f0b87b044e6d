# What each variable refuses. A run costs seconds, so many variables share one: every one of them must be reported.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  image_tag          = "1.2.3"
  api_authentication = "none"
}

# Values that are wrong by themselves.
run "each_on_its_own" {
  command = plan

  variables {
    image_tag                  = "latest"
    api_authentication         = "basic"
    name                       = "a-name-of-more-than-20"
    architecture               = "riscv64"
    sizes                      = "small:100,medium:500,large:1000,huge:2000"
    max_bytes                  = "1000000"
    upload_prefix              = "uploads"
    original_retention_days    = 0
    upload_url_expiry          = "61m"
    cors_origins               = ["*"]
    public_url                 = "https://cdn.example.com/"
    base_path                  = "photos"
    worker_cpu                 = 1000
    min_tasks                  = -1
    acceptable_latency_seconds = 0.5
    spot_percent               = 101
    visibility_timeout_seconds = 1
    max_receives               = 4
    api_requests_per_second    = 0
    api_memory                 = 64
    subnet_ids                 = ["private-a"]
    vpc_cidr                   = "10.0.0.0/28"
    alarm_email                = "ops"
    log_retention_days         = 10
    accept_anonymous_uploads   = "yes"
    kms_key_arn                = "arn:aws:kms:us-east-1:123456789012:alias/photos"
    sweep_enabled              = true
    delete_originals_after     = "59m"
  }

  expect_failures = [
    var.image_tag,
    var.api_authentication,
    var.name,
    var.architecture,
    var.sizes,
    var.max_bytes,
    var.upload_prefix,
    var.original_retention_days,
    var.upload_url_expiry,
    var.cors_origins,
    var.public_url,
    var.base_path,
    var.worker_cpu,
    var.min_tasks,
    var.acceptable_latency_seconds,
    var.spot_percent,
    var.visibility_timeout_seconds,
    var.max_receives,
    var.api_requests_per_second,
    var.api_memory,
    var.subnet_ids,
    var.vpc_cidr,
    var.alarm_email,
    var.log_retention_days,
    var.accept_anonymous_uploads,
    var.kms_key_arn,
    var.delete_originals_after,
  ]
}

# Values that other variables forbid, and second ways of being wrong.
run "against_each_other" {
  command = plan

  variables {
    min_tasks = 5

    image_tag                        = "a/b"
    jwt_issuer                       = "https://login.example.com/"
    jwt_audience                     = ["darkroom"]
    name                             = "Darkroom"
    upload_prefix                    = "up*/"
    upload_url_expiry                = "300"
    cors_origins                     = ["https://app.example.com/"]
    public_url                       = "http://cdn.example.com"
    worker_memory                    = 3000
    max_tasks                        = 4
    seconds_per_image                = 61
    oldest_message_alarm_seconds     = 59
    vpc_cidr                         = "10.0.0/24"
    allow_delete                     = true
    subnets_are_public               = true
    plain_uploads                    = true
    kms_key_arn                      = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    metrics_source_security_group_id = "sg-prometheus"
    delete_originals_after           = "30d"
  }

  expect_failures = [
    var.image_tag,
    var.jwt_issuer,
    var.jwt_audience,
    var.name,
    var.upload_prefix,
    var.upload_url_expiry,
    var.cors_origins,
    var.public_url,
    var.worker_memory,
    var.max_tasks,
    var.seconds_per_image,
    var.oldest_message_alarm_seconds,
    var.vpc_cidr,
    var.subnets_are_public,
    var.allow_delete,
    var.metrics_source_security_group_id,
    var.plain_uploads,
    var.kms_key_arn,
    var.delete_originals_after,
  ]
}

# Values that are judged beside another variable, which is right here.
run "against_a_choice_made" {
  command = plan

  variables {
    subnet_ids         = ["subnet-a"]
    api_authentication = "jwt"
    jwt_audience       = ["darkroom"]
    worker_cpu         = 4096
    sweep_enabled      = true

    jwt_issuer                       = "http://login.example.com/"
    upload_prefix                    = "/uploads/"
    worker_memory                    = 2048
    max_tasks                        = 0
    seconds_per_image                = 0
    metrics_source_security_group_id = "prometheus"
    accept_anonymous_uploads         = "anyone may upload anything"
    delete_originals_after           = "3651d"
  }

  expect_failures = [
    var.jwt_issuer,
    var.upload_prefix,
    var.worker_memory,
    var.max_tasks,
    var.seconds_per_image,
    var.metrics_source_security_group_id,
    var.plain_uploads,
    var.delete_originals_after,
  ]
}

# Plain uploads by everybody, with words that do not accept them, and accepted where there is nothing to accept.
run "anonymous_uploads_in_other_words" {
  command = plan

  variables {
    plain_uploads            = true
    accept_anonymous_uploads = "Anyone may upload anything"
  }

  expect_failures = [
    var.accept_anonymous_uploads,
  ]
}

run "anonymous_uploads_accepted_for_nothing" {
  command = plan

  variables {
    plain_uploads            = false
    accept_anonymous_uploads = "anyone may upload anything"
  }

  expect_failures = [
    var.plain_uploads,
  ]
}

# Jwt without saying whose.
run "tokens_of_nobody" {
  command = plan

  variables {
    api_authentication = "jwt"

    jwt_issuer   = null
    jwt_audience = []
  }

  expect_failures = [
    var.jwt_issuer,
    var.jwt_audience,
  ]
}
