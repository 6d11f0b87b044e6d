# All variables, the most frequently changed first. Two have no default.

# --- Deployment -------------------------------------------------------------------------------------------------------

variable "image_tag" {
  description = "Tag of the darkroom image in the repository that this configuration makes: one architecture, pushed before the full apply. Changing it is a deployment."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a container tag other than \"latest\": tags are immutable, so that a rollback means what it says."
  }
}

variable "api_authentication" {
  description = "Who may call the API: \"none\" allows everyone on the internet, \"jwt\" requires a token of jwt_issuer for jwt_audience. Has no default on purpose."
  type        = string

  validation {
    condition     = contains(["none", "jwt"], var.api_authentication)
    error_message = "api_authentication must be \"none\" or \"jwt\"."
  }
}

variable "jwt_issuer" {
  description = "Issuer of the tokens, an https URL; it serves its keys through /.well-known/openid-configuration. Only with api_authentication = \"jwt\"."
  type        = string
  default     = null

  validation {
    condition     = (var.api_authentication == "jwt") == (var.jwt_issuer != null)
    error_message = "jwt_issuer must be set with api_authentication = \"jwt\", and only then."
  }
  validation {
    condition     = var.jwt_issuer == null ? true : startswith(var.jwt_issuer, "https://")
    error_message = "jwt_issuer must begin with https://."
  }
}

variable "jwt_audience" {
  description = "Accepted audiences: a token must name at least one. Only with api_authentication = \"jwt\"."
  type        = list(string)
  default     = []

  validation {
    condition     = (var.api_authentication == "jwt") == (length(var.jwt_audience) > 0)
    error_message = "jwt_audience must be set with api_authentication = \"jwt\", and only then."
  }
}

variable "name" {
  description = "Prefix of every resource's name. Must be unique for each installation in an account and region."
  type        = string
  default     = "darkroom"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 20 lowercase letters, digits or hyphens: it becomes part of bucket names."
  }
}

variable "region" {
  description = "Region of all resources. Default: the region of the environment (AWS_REGION)."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource, in addition to Project."
  type        = map(string)
  default     = {}
}

variable "architecture" {
  description = "Architecture of the image: \"arm64\" (a fifth cheaper) or \"amd64\". Worker and API run the same image."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "amd64"], var.architecture)
    error_message = "architecture must be \"arm64\" or \"amd64\"."
  }
}

# --- Images -----------------------------------------------------------------------------------------------------------

variable "sizes" {
  description = "The thumbnails: three names, each with the side of its bounding box in pixels."
  type        = string
  default     = "small:100,medium:500,large:1000"

  validation {
    condition     = can(regex("^small:[1-9][0-9]{0,3},medium:[1-9][0-9]{0,3},large:[1-9][0-9]{0,3}$", var.sizes))
    error_message = "sizes must read small:N,medium:N,large:N with N from 1 to 9999."
  }
}

variable "max_bytes" {
  description = "The largest upload. Larger ones are refused as too_many_bytes."
  type        = string
  default     = "64MiB"

  validation {
    condition     = can(regex("^[1-9][0-9]*(B|KiB|MiB|GiB)$", var.max_bytes))
    error_message = "max_bytes must carry a unit: B, KiB, MiB or GiB, such as 64MiB."
  }
}

variable "upload_prefix" {
  description = "Prefix of the keys of uploads. Ends in a slash, or is empty for the whole bucket."
  type        = string
  default     = "uploads/"

  validation {
    # An asterisk or a dollar sign has a special meaning in the roles' resources.
    condition     = var.upload_prefix == "" || can(regex("^[A-Za-z0-9!_.()-][A-Za-z0-9!_.()/-]*/$", var.upload_prefix))
    error_message = "upload_prefix must be empty or end in a slash, must not begin with one, and holds letters, digits and ! _ . ( ) / - only."
  }
}

variable "original_retention_days" {
  description = "Days after which an original is deleted; unset: never. Thumbnails stay."
  type        = number
  default     = null

  validation {
    condition     = var.original_retention_days == null ? true : var.original_retention_days >= 1 && floor(var.original_retention_days) == var.original_retention_days
    error_message = "original_retention_days must be a whole number of at least 1."
  }
}

variable "upload_url_expiry" {
  description = "How long an upload URL is valid: at most 60m."
  type        = string
  default     = "5m"

  validation {
    condition     = can(regex("^([1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)s$|^([1-9]|[1-5][0-9]|60)m$|^1h$", var.upload_url_expiry))
    error_message = "upload_url_expiry must be 1s to 3600s, 1m to 60m, or 1h."
  }
}

variable "plain_uploads" {
  description = "Whether GET /upload-url issues URLs that accept any type and size until they expire."
  type        = bool
  default     = true

  validation {
    condition     = !var.plain_uploads || var.api_authentication != "none" || var.accept_anonymous_uploads != null
    error_message = "plain_uploads with api_authentication = \"none\" lets everybody on the internet store files of any size at your cost. Set plain_uploads = false, or accept it: accept_anonymous_uploads = \"anyone may upload anything\"."
  }
  validation {
    # Checked here, because two variables cannot refer to each other.
    condition     = var.accept_anonymous_uploads == null || (var.plain_uploads && var.api_authentication == "none")
    error_message = "accept_anonymous_uploads is only for plain_uploads = true with api_authentication = \"none\": leave it out."
  }
}

variable "accept_anonymous_uploads" {
  description = "\"anyone may upload anything\" accepts plain_uploads with api_authentication = \"none\". Leave it unset otherwise."
  type        = string
  default     = null

  validation {
    condition     = var.accept_anonymous_uploads == null ? true : var.accept_anonymous_uploads == "anyone may upload anything"
    error_message = "accept_anonymous_uploads must be \"anyone may upload anything\", in these words, or left out."
  }
}

variable "allow_delete" {
  description = "Whether DELETE /images/{id} exists. It deletes any image, so it requires authentication."
  type        = bool
  default     = false

  validation {
    condition     = !var.allow_delete || var.api_authentication == "jwt"
    error_message = "allow_delete needs api_authentication = \"jwt\": else everybody could delete everything."
  }
}

variable "cors_origins" {
  description = "Origins of other pages that may call the API and upload, such as https://app.example.com. The API's own page does not need one."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for origin in var.cors_origins : can(regex("^https?://[^/*]+$", origin))])
    error_message = "cors_origins must be origins: scheme and host without a path, no wildcard."
  }
}

variable "public_url" {
  description = "Base URL of the thumbnail bucket on your CDN. Default: presigned URLs that are valid for an hour."
  type        = string
  default     = null

  validation {
    condition     = var.public_url == null ? true : can(regex("^https://[^?#]*[^/?#]$", var.public_url))
    error_message = "public_url must begin with https:// and must not end in a slash."
  }
}

variable "base_path" {
  description = "The key of a base path mapping of your own domain, such as /photos. Default: the API is at the root."
  type        = string
  default     = null

  validation {
    condition     = var.base_path == null ? true : can(regex("^(/[0-9A-Za-z._~-]+)+$", var.base_path))
    error_message = "base_path must begin with /, must not end in a slash, and takes letters, digits, - . _ and ~."
  }
}

# --- Worker and scaling -----------------------------------------------------------------------------------------------

variable "worker_cpu" {
  description = "CPU units of a task; 1024 are one core, and each core renders one image at a time."
  type        = number
  default     = 1024

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.worker_cpu)
    error_message = "worker_cpu must be one that Fargate offers: 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "worker_memory" {
  description = "Memory of a task in MiB. Images use at most 70 % of it."
  type        = number
  default     = 2048

  validation {
    # Fargate's table: 2 to 8 GiB per core, in steps. The smallest and the two largest tasks have their own rows.
    condition = (
      var.worker_cpu == 256 ? contains([512, 1024, 2048], var.worker_memory) :
      var.worker_cpu == 8192 ? var.worker_memory >= 16384 && var.worker_memory <= 61440 && var.worker_memory % 4096 == 0 :
      var.worker_cpu == 16384 ? var.worker_memory >= 32768 && var.worker_memory <= 122880 && var.worker_memory % 8192 == 0 :
      var.worker_memory >= var.worker_cpu * 2 && var.worker_memory <= min(var.worker_cpu * 8, 30720) && var.worker_memory % 1024 == 0
    )
    error_message = "worker_memory must be one that Fargate offers for worker_cpu: as a rule 2 to 8 MiB per CPU unit, in steps of 1024."
  }
}

variable "min_tasks" {
  description = "The fewest workers. 0 costs nothing while idle, but the first image then waits some minutes."
  type        = number
  default     = 1

  validation {
    condition     = var.min_tasks >= 0 && floor(var.min_tasks) == var.min_tasks
    error_message = "min_tasks must be a whole number of at least 0."
  }
}

variable "max_tasks" {
  description = "The most workers."
  type        = number
  default     = 10

  validation {
    condition     = var.max_tasks >= max(1, var.min_tasks) && floor(var.max_tasks) == var.max_tasks
    error_message = "max_tasks must be a whole number of at least 1 and at least min_tasks."
  }
}

variable "acceptable_latency_seconds" {
  description = "Seconds in which a backlog should be cleared. A shorter time needs more workers."
  type        = number
  default     = 60

  validation {
    condition     = var.acceptable_latency_seconds >= 1
    error_message = "acceptable_latency_seconds must be at least 1."
  }
}

variable "seconds_per_image" {
  description = "Seconds that one image takes on one core, including upload and download. The default leaves room for slower cores and larger files than those of docs/BENCHMARKS.md; darkroom_stage_duration_seconds measures yours."
  type        = number
  default     = 0.25

  validation {
    condition     = var.seconds_per_image > 0 && var.seconds_per_image <= var.acceptable_latency_seconds
    error_message = "seconds_per_image must be above 0 and at most acceptable_latency_seconds."
  }
}

variable "spot_percent" {
  description = "Share of the workers on Fargate Spot, 0 to 100. A reclaimed worker returns the messages that it has not started."
  type        = number
  default     = 0

  validation {
    condition     = var.spot_percent >= 0 && var.spot_percent <= 100 && floor(var.spot_percent) == var.spot_percent
    error_message = "spot_percent must be a whole number from 0 to 100."
  }
}

variable "visibility_timeout_seconds" {
  description = "How many seconds a received message stays hidden unless its worker extends the timeout. Queue and worker use the same value."
  type        = number
  default     = 60

  validation {
    condition     = var.visibility_timeout_seconds >= 2 && var.visibility_timeout_seconds <= 3600 && floor(var.visibility_timeout_seconds) == var.visibility_timeout_seconds
    error_message = "visibility_timeout_seconds must be a whole number from 2 to 3600."
  }
}

variable "max_receives" {
  description = "Receives after which a message becomes a dead letter. Deployments and outages also use up receives."
  type        = number
  default     = 10

  validation {
    condition     = var.max_receives >= 5 && var.max_receives <= 1000 && floor(var.max_receives) == var.max_receives
    error_message = "max_receives must be a whole number from 5 to 1000."
  }
}

variable "sweep_enabled" {
  description = "Whether `darkroom sweep` runs every hour. Requires an image with that command."
  type        = bool
  default     = false
}

variable "delete_originals_after" {
  description = "How long after its verdict the sweep permanently deletes an original that was superseded or refused: 1h to 9999h, or 1d to 3650d. Unset or \"\": never. Needs sweep_enabled."
  type        = string
  default     = null

  validation {
    condition     = var.delete_originals_after == null ? true : can(regex("^$|^[1-9][0-9]{0,3}h$|^([1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|36[0-4][0-9]|3650)d$", var.delete_originals_after))
    error_message = "delete_originals_after must be 1h to 9999h, or 1d to 3650d."
  }
  validation {
    condition     = var.delete_originals_after == null || var.delete_originals_after == "" || var.sweep_enabled
    error_message = "delete_originals_after needs sweep_enabled = true: the sweep deletes them."
  }
}

# --- API --------------------------------------------------------------------------------------------------------------

variable "api_requests_per_second" {
  description = "Requests per second that the API accepts. Further requests get 429. The burst is twice the rate."
  type        = number
  default     = 50

  validation {
    condition     = var.api_requests_per_second >= 1 && var.api_requests_per_second <= 10000 && floor(var.api_requests_per_second) == var.api_requests_per_second
    error_message = "api_requests_per_second must be a whole number from 1 to 10000."
  }
}

variable "api_memory" {
  description = "Memory of the API's function in MiB. Its share of a core grows with the memory."
  type        = number
  default     = 256

  validation {
    condition     = var.api_memory >= 128 && var.api_memory <= 10240 && floor(var.api_memory) == var.api_memory
    error_message = "api_memory must be a whole number from 128 to 10240."
  }
}

# --- Network ----------------------------------------------------------------------------------------------------------

variable "subnet_ids" {
  description = "Subnets of one VPC for the workers. If empty, a small VPC is created. They need a route to S3, SQS, DynamoDB, ECR and CloudWatch Logs."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.subnet_ids : startswith(id, "subnet-")])
    error_message = "subnet_ids must be ids of subnets."
  }
}

variable "subnets_are_public" {
  description = "Whether subnet_ids have a route to an internet gateway instead of a NAT. Workers then get a public address to reach AWS."
  type        = bool
  default     = false

  validation {
    condition     = !var.subnets_are_public || length(var.subnet_ids) > 0
    error_message = "subnets_are_public says something about subnet_ids, which is empty."
  }
}

variable "vpc_cidr" {
  description = "CIDR block of the VPC that is created if subnet_ids is empty."
  type        = string
  default     = "10.64.0.0/24"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && can(regex("/(1[6-9]|2[0-6])$", var.vpc_cidr))
    error_message = "vpc_cidr must be an IPv4 network of /16 to /26."
  }
}

variable "metrics_source_security_group_id" {
  description = "Security group of your Prometheus. It may then reach /metrics of every worker on port 9464. Default: no access."
  type        = string
  default     = null

  validation {
    condition     = var.metrics_source_security_group_id == null ? true : startswith(var.metrics_source_security_group_id, "sg-")
    error_message = "metrics_source_security_group_id must be the id of a security group."
  }
  validation {
    condition     = var.metrics_source_security_group_id == null || length(var.subnet_ids) > 0
    error_message = "metrics_source_security_group_id needs subnet_ids: a group of another VPC cannot be named in the VPC that is made here."
  }
}

# --- Monitoring -------------------------------------------------------------------------------------------------------

variable "alarm_email" {
  description = "E-mail address for alarms. It must confirm the first mail from AWS. Default: subscribe to the topic yourself."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null ? true : can(regex("^[^@ ]+@[^@ ]+$", var.alarm_email))
    error_message = "alarm_email must be a mail address."
  }
}

variable "oldest_message_alarm_seconds" {
  description = "Age of the oldest waiting upload that raises an alarm."
  type        = number
  default     = 900

  validation {
    condition     = var.oldest_message_alarm_seconds >= var.acceptable_latency_seconds
    error_message = "oldest_message_alarm_seconds must be at least acceptable_latency_seconds."
  }
}

variable "log_retention_days" {
  description = "Days to keep logs."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one that CloudWatch Logs offers, such as 7, 14, 30, 90 or 365."
  }
}

# --- Data -------------------------------------------------------------------------------------------------------------

variable "kms_key_arn" {
  description = "Customer managed KMS key for both buckets, both queues and the topic of outcomes, in the same region. Default: AWS's own keys. First add the output kms_key_statement to its policy: docs/DEPLOY.md."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, such as arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab; an alias will not do."
  }
  validation {
    condition     = var.kms_key_arn == null ? true : try(split(":", var.kms_key_arn)[3], null) == local.region
    error_message = "kms_key_arn must be a key of the region that everything else is in."
  }
}

variable "table_stream" {
  description = "Whether the table has a stream, from which other systems can read each change of status."
  type        = bool
  default     = false
}

variable "outcome_topic" {
  description = "Whether each verdict is sent to a topic: published, invalid_content_type, failed. Enables the table's stream."
  type        = bool
  default     = false
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete images, records and container images. Apply with true first, then destroy."
  type        = bool
  default     = false
}
