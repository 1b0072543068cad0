"""The same function, packaged in two ways; keep the one that you need."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

app = cdk.App()
stack = cdk.Stack(app, "Orders")
common = {
    "runtime": lambda_.Runtime.PYTHON_3_13,
    "architecture": lambda_.Architecture.X86_64,
    "handler": "app.handler",
}

# With what requirements.txt asks for: see ../function/build.sh.
lambda_.Function(
    stack,
    "Dependency",
    code=lambda_.Code.from_custom_command(
        "build", ["sh", "-c", "rm -rf build; sh ../function/build.sh build"]
    ),
    **common,
)

# The code alone; lambda_guard comes from the layer.
arn = cdk.CfnParameter(stack, "LambdaGuardLayer", description="The layer's version ARN in this Region.")
lambda_.Function(
    stack,
    "Layer",
    code=lambda_.Code.from_asset("../function", exclude=["*", "!app.py"]),
    layers=[lambda_.LayerVersion.from_layer_version_arn(stack, "LambdaGuard", arn.value_as_string)],
    environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/lambda-guard"},
    **common,
)

app.synth()
