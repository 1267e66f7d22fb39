# What Terraform's AWS provider is tried with: the resources that a cache stands among.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "team" {
  type = string
}

variable "nodes" {
  type = number
}

data "aws_caller_identity" "me" {}

resource "aws_security_group" "cache" {
  name        = "terraform-cache"
  description = "terraform"
  vpc_id      = "vpc-0a1b2c3d4e5f60001"

  ingress {
    from_port   = 6379
    to_port     = 6379
    protocol    = "tcp"
    cidr_blocks = ["10.0.0.0/16"]
  }

  tags = { team = var.team }
}

resource "aws_elasticache_subnet_group" "cache" {
  name       = "terraform-cache"
  subnet_ids = ["subnet-0a000000000000001", "subnet-0a000000000000002"]
}

resource "aws_elasticache_parameter_group" "cache" {
  name   = "terraform-cache"
  family = "valkey8"

  parameter {
    name  = "maxmemory-policy"
    value = "allkeys-lru"
  }
}

resource "aws_secretsmanager_secret" "token" {
  name                    = "terraform-token"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "token" {
  secret_id     = aws_secretsmanager_secret.token.id
  secret_string = "a-token-of-terraform-1"
}

resource "aws_elasticache_replication_group" "cache" {
  replication_group_id       = "terraform-cache"
  description                = "terraform"
  engine                     = "valkey"
  engine_version             = "8.0"
  node_type                  = "cache.t4g.micro"
  num_cache_clusters         = var.nodes
  automatic_failover_enabled = true
  multi_az_enabled           = true
  subnet_group_name          = aws_elasticache_subnet_group.cache.name
  parameter_group_name       = aws_elasticache_parameter_group.cache.name
  security_group_ids         = [aws_security_group.cache.id]
  transit_encryption_enabled = true
  at_rest_encryption_enabled = true
  auth_token                 = aws_secretsmanager_secret_version.token.secret_string
  apply_immediately          = true
  tags                       = { team = var.team }
}

output "account" {
  value = data.aws_caller_identity.me.account_id
}
