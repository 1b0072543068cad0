"""From a written template to what it says of its functions."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from lambda_guard.templates.marks import Written
from lambda_guard.templates.survey.alarms import alarms
from lambda_guard.templates.survey.events import events
from lambda_guard.templates.survey.functions import functions
from lambda_guard.templates.survey.model import Deployment, Function, Survey
from lambda_guard.templates.survey.nodes import Node, Template, references
from lambda_guard.templates.survey.queues import log_groups, queues
from lambda_guard.templates.survey.sources import custom_resources, sources
from lambda_guard.templates.survey.statements import statements

IGNORED: Final = "LambdaGuard"
"""The key of `Metadata` below which findings are silenced."""
_OF_AWS: Final = (
    "AWS::Serverless-",
    "AWS::LanguageExtensions",
    "AWS::CodeDeployBlueGreen",
    "AWS::SecretsManager",
)
_ADDED: Final = ("alarms", "callers", "log groups")
_POINTERS: Final = ("AWS::Lambda::Alias", "AWS::Lambda::Version")


def survey(written: Written, parameters: Mapping[str, str] | None = None) -> Survey:
    """Return what a template says; `parameters` are values in place of the defaults."""
    template = Template(written, parameters or {})
    found = Survey(
        file=written.file,
        functions=tuple(functions(template)),
        queues=tuple(queues(template)),
        kinds={logical_id: kind for logical_id, kind, _ in template.resources()},
        targets=dict(_targets(template)),
        **_silenced(template),
        notes=tuple(_notes(template)),
        unread={part: made for made in _made_elsewhere(template) for part in _ADDED},
    )
    found = replace(found, sources=(*events(template), *sources(template, found)))
    found = replace(found, functions=tuple(_completed(template, found)))
    return replace(
        found,
        statements=tuple(statements(template, found)),
        alarms=tuple(alarms(template)),
        log_groups=tuple(log_groups(template)),
    )


def _silenced(template: Template) -> dict[str, Any]:
    """Return the findings that `Metadata` silences, of the template and of its resources, and where."""
    owners: dict[str | None, Any] = {None: template.document}
    owners |= {name: resource for name, _, resource in template.resources()}
    ignored, places = {}, {}
    for owner, about in owners.items():
        it = Node(template, about, () if owner is None else ("Resources", owner))
        entries = it.at("Metadata", IGNORED, "Ignore")
        if isinstance(entries.raw, dict):
            ignored[owner], places[owner] = entries.raw, entries.place
    return {"ignored": ignored, "places": places}


def _targets(template: Template) -> Iterator[tuple[str, str]]:
    """Yield aliases and versions with the function they are of, and what SAM makes of `AutoPublishAlias`."""
    for logical_id, kind, resource in template.resources():
        own = resource.get("Properties")
        if kind in _POINTERS and isinstance(own, dict):
            yield from ((logical_id, name) for name in references(own.get("FunctionName")))
        if kind == "AWS::Serverless::Function" and isinstance(own, dict):
            yield f"{logical_id}Alias{own.get('AutoPublishAlias')}", logical_id


def _completed(template: Template, found: Survey) -> Iterator[Function]:
    """Yield the functions with what other resources say of them."""
    custom, settings = custom_resources(template, found), dict(_invoke_configs(template, found))
    shifted, hooks = dict(_shifted(template, found)), _hooks(template, found)
    for function in found.functions:
        name = function.logical_id
        yield replace(
            function,
            custom_resource=name in custom or "cfnresponse" in (function.inline or ""),
            hook=name in hooks,
            on_failure=settings.get(name, function.on_failure),
            deployment=shifted.get(name, function.deployment),
        )


def _invoke_configs(template: Template, found: Survey) -> Iterator[tuple[str, Any]]:
    """Yield functions with the destination that an `EventInvokeConfig` of its own names."""
    for it in _properties(template, "AWS::Lambda::EventInvokeConfig"):
        function = found.function(it.at("FunctionName").text)
        destination = it.at("DestinationConfig", "OnFailure", "Destination").text
        if function is not None and destination is not None:
            yield function.logical_id, destination


def _shifted(template: Template, found: Survey) -> Iterator[tuple[str, Deployment]]:
    """Yield functions whose alias CodeDeploy shifts, in plain CloudFormation: by the alias's update policy.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatepolicy.html
    """
    groups = {it.steps[1]: it for it in _properties(template, "AWS::CodeDeploy::DeploymentGroup")}
    for logical_id, kind, resource in template.resources():
        policy = resource.get("UpdatePolicy")
        if kind != "AWS::Lambda::Alias" or not isinstance(policy, dict):
            continue
        it = Node(template, policy, ("Resources", logical_id, "UpdatePolicy"))
        update, name = it.at("CodeDeployLambdaAliasUpdate"), found.targets.get(logical_id)
        group = next(
            (groups[one] for one in references(update.at("DeploymentGroupName").raw) if one in groups), None
        )
        if name is not None and update.raw is not None:
            yield name, _group(update, group)


def _group(update: Node, group: Node | None) -> Deployment:
    listed = [] if group is None else list(group.at("AlarmConfiguration", "Alarms").items())
    hooks = ("BeforeAllowTrafficHook", "AfterAllowTrafficHook")
    preference = None if group is None else group.at("DeploymentConfigName").text
    return Deployment(
        preference=str(preference).removeprefix("CodeDeployDefault.Lambda") if preference else None,
        alarms=tuple(one.at("Name").text for one in listed),
        hooks=any(update.at(key).raw is not None for key in hooks),
        place=update.place,
    )


def _hooks(template: Template, found: Survey) -> frozenset[str]:
    """Return the functions that check a deployment: CodeDeploy calls them, and reads their answer."""
    raw = [resource.get("UpdatePolicy") for _, _, resource in template.resources()]
    for _, kind, resource in template.resources():
        own = resource.get("Properties")
        if kind == "AWS::Serverless::Function" and isinstance(own, dict):
            preference = own.get("DeploymentPreference")
            raw.append(preference.get("Hooks") if isinstance(preference, dict) else None)
    return frozenset(function.logical_id for function in found.concerns(raw))


def _properties(template: Template, wanted: str) -> Iterator[Node]:
    for logical_id, kind, resource in template.resources():
        if kind == wanted and isinstance(resource.get("Properties"), dict):
            yield Node(template, resource["Properties"], ("Resources", logical_id, "Properties"))


def _made_elsewhere(template: Template) -> Iterator[str]:
    """Yield loops and macros, which may make alarms, log groups and triggers that the template doesn't show."""
    yield from (f"{name} isn't expanded" for name in template.section("Resources") if name.startswith("Fn::"))
    used = template.document.get("Transform")
    for macro in used if isinstance(used, list) else [used]:
        name = macro.get("Name") if isinstance(macro, dict) else macro
        if name is not None and not str(name).startswith(_OF_AWS):
            yield f"the macro {name} isn't expanded"


def _notes(template: Template) -> Iterator[str]:
    """Yield what isn't read: loops, macros and nested templates."""
    yield from (f"{made}: what it makes isn't audited" for made in _made_elsewhere(template))
    for name, resource in template.section("Resources").items():
        if name.startswith("Fn::"):
            continue
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            yield f"resource {name} has no Type, and isn't audited"
        elif resource["Type"] in {"AWS::CloudFormation::Stack", "AWS::Serverless::Application"}:
            yield f"{name} is a template of its own: audit it, too"
