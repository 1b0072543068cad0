"""SAM and CloudFormation templates, read: for the local cloud and the audit of templates."""
