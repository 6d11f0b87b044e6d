# The workers' network: the given subnets, or a small VPC without a NAT gateway.

locals {
  own_network = length(var.subnet_ids) == 0

  subnet_ids = local.own_network ? aws_subnet.public[*].id : var.subnet_ids
  vpc_id     = local.own_network ? aws_vpc.own[0].id : data.aws_subnet.given[0].vpc_id

  # Without a NAT, workers need a public address to reach AWS. Inbound traffic is not allowed.
  assign_public_ip = local.own_network || var.subnets_are_public

  admin_port = 9464
}

data "aws_subnet" "given" {
  count = local.own_network ? 0 : 1
  id    = var.subnet_ids[0]
}

data "aws_availability_zones" "usable" {
  state = "available"

  # Zones without Fargate (Amazon ECS developer guide, "Supported Regions for Amazon ECS on AWS Fargate").
  exclude_zone_ids = ["use1-az3", "usw1-az2", "apne1-az3", "cac1-az3"]

  filter {
    # No local zones.
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

# --- The VPC ----------------------------------------------------------------------------------------------------------

resource "aws_vpc" "own" {
  count = local.own_network ? 1 : 0

  cidr_block = var.vpc_cidr
  # Clients find the endpoints of S3 and DynamoDB by name.
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# The default security group, without rules, so that nothing depends on it by accident.
resource "aws_default_security_group" "own" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id
}

resource "aws_internet_gateway" "own" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  # Two zones, so that one may fail.
  count = local.own_network ? 2 : 0

  vpc_id            = aws_vpc.own[0].id
  availability_zone = data.aws_availability_zones.usable.names[count.index]
  cidr_block        = cidrsubnet(var.vpc_cidr, 2, count.index)

  tags = { Name = "${var.name}-public-${count.index}" }
}

resource "aws_route_table" "public" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  count = local.own_network ? 1 : 0

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.own[0].id
}

resource "aws_route_table_association" "public" {
  count = local.own_network ? 2 : 0

  route_table_id = aws_route_table.public[0].id
  subnet_id      = aws_subnet.public[count.index].id
}

resource "aws_vpc_endpoint" "gateway" {
  # Free of charge, and images never leave AWS's network.
  for_each = local.own_network ? toset(["s3", "dynamodb"]) : []

  vpc_id            = aws_vpc.own[0].id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.${each.key}"
  route_table_ids   = [aws_route_table.public[0].id]

  tags = { Name = "${var.name}-${each.key}" }
}

# --- Security groups of the workers -----------------------------------------------------------------------------------

resource "aws_security_group" "worker" {
  name        = "${var.name}-worker"
  description = "Workers: HTTPS out, nothing in but the admin port for who collects metrics"
  vpc_id      = local.vpc_id

  tags = { Name = "${var.name}-worker" }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.worker.id
  description       = "SQS, S3, DynamoDB, ECR and CloudWatch Logs"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  count = var.metrics_source_security_group_id == null ? 0 : 1

  security_group_id            = aws_security_group.worker.id
  description                  = "Prometheus reads /metrics"
  ip_protocol                  = "tcp"
  from_port                    = local.admin_port
  to_port                      = local.admin_port
  referenced_security_group_id = var.metrics_source_security_group_id
}
