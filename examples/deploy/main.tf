# The same function, packaged in two ways; keep the one that you need. docs/packaging.md has
# the commands that make orders.zip and code.zip.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "lambda_guard_layer" {
  type        = string
  description = "The layer's version ARN in this Region."
}

# With what requirements.txt asks for.
resource "aws_lambda_function" "dependency" {
  function_name    = "orders"
  role             = aws_iam_role.orders.arn
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  handler          = "app.handler"
  filename         = "orders.zip"
  source_code_hash = filebase64sha256("orders.zip")
}

# The code alone; lambda_guard comes from the layer.
resource "aws_lambda_function" "layer" {
  function_name    = "orders-with-layer"
  role             = aws_iam_role.orders.arn
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  handler          = "app.handler"
  filename         = "code.zip"
  source_code_hash = filebase64sha256("code.zip")
  layers           = [var.lambda_guard_layer]

  environment {
    variables = {
      AWS_LAMBDA_EXEC_WRAPPER = "/opt/lambda-guard"
    }
  }
}

resource "aws_iam_role" "orders" {
  name = "orders"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.orders.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}
