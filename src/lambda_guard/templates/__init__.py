"""Reads SAM and CloudFormation templates, for the parts that run, check or extend them."""
