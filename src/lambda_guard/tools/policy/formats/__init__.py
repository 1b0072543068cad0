"""What a policy is written as: JSON, or for SAM, CloudFormation, Terraform and the CDK."""
