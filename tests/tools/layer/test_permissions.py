"""The policies of docs/layer.md against the calls that are really made."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import botocore.session
import pytest

from .cloud import layer_zip, role_in

PAGE = Path(__file__).parents[3] / "docs/layer.md"
FREE = {"sts:GetCallerIdentity"}
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""


def policy(command):
    """Return the policy of a command: action → patterns of its resources."""
    text = PAGE.read_text(encoding="utf-8").partition(f"The least that `layer {command}` needs:")[2]
    document = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])
    allowed = {}
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            allowed.setdefault(action, []).append(statement["Resource"])
    return allowed


def resources(service, parameters):
    """Return the ARNs that a call is about, in whatever Region and account."""
    if service == "ssm":
        return [
            f"arn:aws:ssm:r:1:parameter{name}" for name in parameters.get("Names", [parameters.get("Name")])
        ]
    if "LayerName" in parameters:
        version = f":{parameters['VersionNumber']}" if "VersionNumber" in parameters else ""
        return [f"arn:aws:lambda:r:1:layer:{parameters['LayerName']}{version}"]
    return ["any"]


@pytest.fixture
def made(monkeypatch):
    """The calls that botocore makes: (action, ARN of what it is about)."""
    calls, real = set(), botocore.session.get_session

    def note(params, model, **_):
        service = model.service_model.service_name
        calls.update((f"{service}:{model.name}", arn) for arn in resources(service, params))

    def session(*args, **kwargs):
        made = real(*args, **kwargs)
        made.register("provide-client-params.*.*", note)
        return made

    monkeypatch.setattr(botocore.session, "get_session", session)
    return calls


def assert_least(made, allowed):
    """Every call is allowed for its resource, and nothing is allowed that isn't called."""
    called = {action for action, _ in made} - FREE - {"sts:AssumeRole"}
    assert called == set(allowed)
    for action, arn in made:
        assert action not in allowed or any(fnmatchcase(arn, pattern) for pattern in allowed[action])


@pytest.mark.usefixtures("cloud")
def test_publish_needs_what_the_page_says(call, layer, made, tmp_path):
    """From nothing, again, and with new content."""
    options = ("--share-with", "o-a1b2c3d4e5", "--role", role_in("222222222222"))
    for path in (layer, layer, str(layer_zip(tmp_path / "new.zip", "new"))):
        assert call("publish", path, *options)[0] == 0
    assert_least(made, policy("publish"))


@pytest.mark.usefixtures("cloud")
def test_a_dry_run_needs_what_the_page_says(call, layer, made):
    """All but the three actions that write."""
    call("publish", layer)
    made.clear()
    for options in ((), ("--share-with", "o-a1b2c3d4e5")):
        assert call("publish", layer, "--dry-run", *options)[0] == 0
    sentence = re.search(r"`--dry-run` does without (.*?)\.", PAGE.read_text(encoding="utf-8"))[1]
    writing = set(re.findall(r"`([^`]+)`", sentence))
    assert {action for action, _ in made} - FREE == policy("publish").keys() - writing


@pytest.mark.usefixtures("cloud")
def test_list_needs_what_the_page_says(call, layer, made):
    """With and without functions' published versions."""
    call("publish", layer)
    made.clear()
    for options in ((), ("--all-versions",)):
        assert call("list", *options)[0] == 0
    assert_least(made, policy("list"))
