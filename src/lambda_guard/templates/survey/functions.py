"""The functions of a template, in SAM (with `Globals`) and in plain CloudFormation.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lambda_guard.templates.survey.model import Deployment, Function
from lambda_guard.templates.survey.nodes import Node, Place, Template, Text, Unknown, intrinsic

SAM: Final = "AWS::Serverless::Function"
PLAIN: Final = "AWS::Lambda::Function"


def properties(template: Template, logical_id: str, kind: str, resource: Mapping[str, Any]) -> Node:
    """Return the properties of a resource; those of a SAM function with what `Globals` adds."""
    own = resource.get("Properties")
    raw = own if isinstance(own, dict) else {}
    if kind == SAM:
        for_all = template.section("Globals").get("Function")
        raw = _merged(for_all if isinstance(for_all, dict) else {}, raw)
    return Node(template, raw, ("Resources", logical_id, "Properties"))


def _merged(for_all: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Merge as SAM does: mappings key by key, lists one after the other, the function's own values last.

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html
    """
    merged = {**for_all, **own}
    for key in for_all.keys() & own.keys():
        first, second = for_all[key], own[key]
        if isinstance(first, list) and isinstance(second, list):
            merged[key] = [*first, *second]
        elif _mapping(first) and _mapping(second):
            merged[key] = _merged(first, second)
    return merged


def _mapping(raw: Any) -> bool:
    return isinstance(raw, dict) and intrinsic(raw) is None


def functions(template: Template) -> Iterator[Function]:
    """Yield the functions."""
    for logical_id, kind, resource in template.resources():
        if kind in {SAM, PLAIN}:
            yield _function(template, logical_id, kind, resource)


# long: a line for each property
def _function(template: Template, logical_id: str, kind: str, resource: Mapping[str, Any]) -> Function:
    it = properties(template, logical_id, kind, resource)
    image = it.at("PackageType").text == "Image" or not isinstance(it.at("ImageUri").raw, Unknown | None)
    code, inline = _code(it, kind)
    return Function(
        logical_id=logical_id,
        place=template.place(("Resources", logical_id)),
        places=_places(it),
        name=it.at("FunctionName").text,
        runtime=None if image else it.at("Runtime").text,
        image=image,
        handler=it.at("Handler").text,
        code=code,
        inline=inline,
        timeout=it.at("Timeout").number,
        memory=it.at("MemorySize").number,
        environment=_environment(it),
        tracing=it.at("Tracing").text if kind == SAM else it.at("TracingConfig", "Mode").text,
        reserved=it.at("ReservedConcurrentExecutions").number,
        layers=_layers(it),
        alias=it.at("AutoPublishAlias").text,
        deployment=_deployment(it.at("DeploymentPreference")),
        durable_seconds=it.at("DurableConfig", "ExecutionTimeout").number,
        log_format=it.at("LoggingConfig", "LogFormat").text,
        log_group=it.at("LoggingConfig", "LogGroup").text,
        application_log_level=it.at("LoggingConfig", "ApplicationLogLevel").text,
        dead_letter=_dead_letter(it),
        on_failure=_on_failure(it),
    )


def _dead_letter(it: Node) -> Text:
    """Return the target of failed asynchronous events, under SAM's name or Lambda's."""
    letters = (it.at("DeadLetterQueue"), it.at("DeadLetterConfig"))
    return next((there.at("TargetArn").text for there in letters if there.raw is not None), None)


def _on_failure(it: Node) -> Text:
    """Return the destination; where only a type is given, SAM makes one."""
    on_failure = it.at("EventInvokeConfig", "DestinationConfig", "OnFailure")
    destination = on_failure.at("Destination").text
    made = destination is None and on_failure.raw is not None
    return Unknown(f"${{{it.steps[1]}.OnFailure}}") if made else destination


def _environment(it: Node) -> Mapping[str, Any] | Unknown:
    variables = it.at("Environment", "Variables").value
    return variables if isinstance(variables, dict | Unknown) else {}


def _layers(it: Node) -> tuple[Text, ...] | Unknown:
    layers = it.at("Layers")
    if isinstance(layers.raw, Unknown) or (intrinsic(layers.raw) and not isinstance(layers.value, list)):
        return Unknown("Layers")
    return tuple(layer.text for layer in layers.items())


def _deployment(it: Node) -> Deployment | None:
    if it.raw is None:
        return None
    alarms = it.at("Alarms")
    listed = next((node for node in alarms.branches() if not isinstance(node.raw, list)), None)
    return Deployment(
        preference=it.at("Type").text,
        alarms=Unknown("Alarms") if listed is not None else tuple(one.text for one in alarms.items()),
        hooks=it.at("Hooks").raw is not None,
        enabled=it.at("Enabled").flag,
        place=it.place,
    )


def _code(it: Node, kind: str) -> tuple[Path | None, str | None]:
    """Return the local path of the code, or its text; neither where it is elsewhere, or isn't settled."""
    base = Path(it.template.written.file).parent
    if kind == PLAIN:
        code, text = it.at("Code").value, it.at("Code", "ZipFile").value
        return (base / code if _local(code) else None), text if isinstance(text, str) else None
    inline, where = it.at("InlineCode"), it.at("CodeUri").value
    if inline.raw is not None:
        return None, inline.value if isinstance(inline.value, str) else None
    where = "." if where is None else where
    return (base / where if _local(where) else None), None


def _local(where: Any) -> bool:
    return isinstance(where, str) and not where.startswith(("s3://", "https://"))


def _places(it: Node) -> dict[str, Place]:
    """Return the places of the properties, and of the settings below some of them."""
    below = ("LoggingConfig", "EventInvokeConfig", "Environment")
    places = {key: node.place for key, node in it.entries()}
    for key in below:
        places |= {f"{key}.{name}": node.place for name, node in it.at(key).entries()}
    return places
