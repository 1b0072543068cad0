"""Layers of a template in the local cloud: which are here, in which order, and what is said of the others."""

import json
import sys
import zipfile

import pytest

from lambda_guard.local import Cloud, OptionError, TemplateError
from lambda_guard.local.deployable import deployable
from lambda_guard.templates.document import Location
from lambda_guard.templates.template import Template

LOCATION = Location("eu-west-1", "123456789012", "http://127.0.0.1:1")
HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
OURS = "arn:aws:lambda:eu-west-1:210987654321:layer:lambda-guard:3"
WRAPPED = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/start"}}


def layer(path, name, **files):
    """Make the folder of a layer with a module, and other files; return the folder's name."""
    modules = path / name / "python"
    modules.mkdir(parents=True)
    (modules / "shared.py").write_text(f"name = {name!r}\n")
    (modules / f"only_{name}.py").write_text("")
    for file, text in files.items():
        (path / name / file).write_text(text)
        (path / name / file).chmod(0o755)
    return f"{name}/"


def zipped(folder):
    """Write a folder into a zip archive beside it, with the modes of its files; return its name."""
    path = folder.parent / f"{folder.name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(it for it in folder.rglob("*") if it.is_file()):
            archive.write(file, file.relative_to(folder))
    return path.name


def serverless(content, **properties):
    return {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": content, **properties}}


def template(*layers, resources=None, **properties):
    """Return a template with one function and its layers."""
    function = {
        "Handler": "app.handler",
        "Runtime": HERE,
        "CodeUri": "code",
        "Layers": [*layers],
        **properties,
    }
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Fn": {"Type": "AWS::Serverless::Function", "Properties": function},
            **(resources or {}),
        },
    }


@pytest.fixture
def read(tmp_path):
    """Return a reader of templates that are written to a file, with a code directory beside it."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/app.py").write_text("def handler(event, context): ...")

    def read(document, layers=None):
        path = tmp_path / "template.yaml"
        path.write_text(json.dumps(document))
        return deployable(Template(path, LOCATION), tmp_path / "inline", layers)

    return read


def contents(stack, function=0):
    """Return the contents of a function's layers, in their order."""
    found = {it.arn: it.content for it in stack.layers}
    return [found[arn].name for arn in stack.functions[function].layers]


def test_functions_run_with_their_layers(tmp_path):
    """Folders and zips, from Globals first, are `/opt`: a later one wins, and the wrapper in one starts the function."""
    layer(tmp_path, "one", start='#!/bin/sh\nexport STARTED=wrapped\nexec "$@"\n')
    (tmp_path / "code").mkdir()
    (tmp_path / "code/app.py").write_text(
        "import os, only_one, only_two, shared\n"
        "def handler(event, context):\n    return [os.environ['STARTED'], shared.name]\n"
    )
    document = template(
        {"Ref": "Second"},
        resources={
            "First": serverless(zipped(tmp_path / "one"), LayerName="shared-modules"),
            "Second": serverless(layer(tmp_path, "two")),
        },
        AutoPublishAlias="live",
        Environment=WRAPPED,
    )
    document["Globals"] = {"Function": {"Layers": [{"Ref": "First"}]}}
    document["Resources"]["Gn"] = document["Resources"]["Fn"]
    with Cloud(document, root=tmp_path) as cloud:
        payloads, said = [cloud.invoke(name).payload for name in ("Fn", "Gn")], cloud.warnings
        assert cloud.function("Fn").settings.opt == cloud.function("Gn").settings.opt
        arns = [
            it["Arn"]
            for it in cloud.client("lambda").get_function(FunctionName="Fn")["Configuration"]["Layers"]
        ]
    assert payloads == [["wrapped", "two"]] * 2
    assert [arn.rpartition("layer:")[2] for arn in arns] == ["shared-modules:1", "Second:1"]
    assert not [warning for warning in said if "ayer" in warning]


def test_layers_of_plain_cloudformation_and_of_the_cdk(read, tmp_path):
    """A local path as `aws cloudformation package` takes it, and an asset's as `cdk synth` leaves it; versions count up."""
    asset = {"aws:asset:path": "asset.0a1b", "aws:asset:property": "Content"}
    elsewhere = {"S3Bucket": {"Fn::Sub": "cdk-assets-${AWS::Region}"}, "S3Key": "0a1b.zip"}
    kind = "AWS::Lambda::LayerVersion"
    for name in ("one", "two", "asset.0a1b"):
        layer(tmp_path, name)
    resources = {
        "One": {"Type": kind, "Properties": {"LayerName": "same", "Content": "one"}},
        "Two": {"Type": kind, "Properties": {"LayerName": "same", "Content": "two"}},
        "Cdk": {"Type": kind, "Properties": {"Content": elsewhere}, "Metadata": asset},
    }
    stack, warnings = read(
        template(
            {"Ref": "Cdk"}, {"Ref": "Two"}, {"Fn::GetAtt": ["One", "LayerVersionArn"]}, resources=resources
        )
    )
    assert contents(stack) == ["asset.0a1b", "two", "one"]
    assert [arn.rpartition("layer:")[2] for arn in stack.functions[0].layers] == ["Cdk:1", "same:2", "same:1"]
    assert warnings == ()


def test_a_cdk_functions_code_is_its_asset(read):
    """`cdk synth` leaves a function's code beside its template, too."""
    document = template()
    document["Resources"]["Fn"] = {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Handler": "a.b", "Runtime": HERE, "Code": {"S3Bucket": "b", "S3Key": "k"}},
        "Metadata": {"aws:asset:path": "code", "aws:asset:property": "Code"},
    }
    assert read(document)[0].functions[0].code.name == "code"


def test_more_than_five_layers_are_refused(read):
    """As Lambda refuses them, whatever they are."""
    message = r"resource Fn: a function may have 5 layers, and Layers names 6"
    with pytest.raises(TemplateError, match=message):
        read(template(*[f"{OURS}{number}" for number in range(6)]))


def test_a_layer_that_isnt_here_is_named_once(read):
    """With the reason, the functions, and what to type; they start without it, and without a wrapper that it would bring."""
    document = template(OURS, {"Fn::ImportValue": "theirs"}, Environment=WRAPPED)
    document["Resources"]["Gn"] = document["Resources"]["Fn"]
    document["Resources"]["Hn"] = template({"Ref": "InS3"})["Resources"]["Fn"]
    document["Resources"]["InS3"] = serverless("s3://bucket/layer.zip", LayerName="other-name")
    stack, warnings = read(document)
    known = "Fn::Base64, Fn::FindInMap, Fn::GetAZs, Fn::GetAtt, Fn::If, Fn::Join, Fn::Length, Fn::Select, Fn::Split, Fn::Sub, Fn::ToJsonString, Ref"
    theirs = '{"Fn::ImportValue": "theirs"}'
    reason = f"Layers: Fn::ImportValue isn't supported here (supported: {known})"
    place = "give a directory or zip archive in its place, --layer"

    assert warnings == (
        f"The layer {OURS} isn't on this machine, and is left out of Fn, Gn: {place} lambda-guard=PATH",
        f"The layer {theirs} isn't on this machine ({reason}), and is left out of Fn, Gn: {place} '{theirs}'=PATH",
        f"The layer InS3 isn't on this machine, and is left out of Hn: {place} InS3=PATH",
        "Fn: AWS_LAMBDA_EXEC_WRAPPER=/opt/start has no effect: it would come from a layer that isn't here",
        "Gn: AWS_LAMBDA_EXEC_WRAPPER=/opt/start has no effect: it would come from a layer that isn't here",
    )
    assert [(it.layers, it.environment) for it in stack.functions] == [((), {})] * 3


def test_a_wrapper_of_a_layer_that_is_here_stays(read, tmp_path):
    """Although another layer isn't; so does one that isn't in a layer at all, and one that Lambda wouldn't find either."""
    layer(tmp_path, "one", start="#!/bin/sh\n")
    for content in ("one", zipped(tmp_path / "one")):
        document = template(OURS, {"Ref": "One"}, resources={"One": serverless(content)}, Environment=WRAPPED)
        assert read(document)[0].functions[0].environment == WRAPPED["Variables"]
    missing = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/missing"}}
    document = template({"Ref": "One"}, resources={"One": serverless("one")}, Environment=missing)
    assert read(document)[0].functions[0].environment == missing["Variables"]
    own = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/start"}}
    assert read(template(OURS, Environment=own))[0].functions[0].environment == own["Variables"]


@pytest.mark.parametrize("name", [OURS, "lambda-guard"])
def test_a_layer_by_its_arn_can_be_given(name, read, tmp_path):
    """By its whole ARN or its name."""
    layer(tmp_path, "build")
    stack, warnings = read(template(OURS), {name: tmp_path / "build"})
    assert contents(stack) == ["build"]
    assert warnings == ()


@pytest.mark.parametrize("name", ["InS3", "other-name", "Ours"])
def test_a_layer_of_the_template_can_be_given(name, read, tmp_path):
    """By its logical id or its name; what is given counts before the template's."""
    layer(tmp_path, "build")
    resources = {
        "InS3": serverless({"Bucket": "b", "Key": "k"}, LayerName="other-name"),
        "Ours": serverless("nowhere"),
    }
    used = {"Ref": "Ours" if name == "Ours" else "InS3"}
    stack, warnings = read(template(used, resources=resources), {name: tmp_path / "build"})
    assert contents(stack) == ["build"]
    assert warnings == ()


def test_what_is_given_must_be_used_and_be_there(read, tmp_path):
    """A misspelt name lists those that there are; a path must lead to a directory or zip."""
    (tmp_path / "layer.zip").write_text("not one")
    with pytest.raises(OptionError, match="no function has a layer 'lamda-guard'; layers: lambda-guard"):
        read(template(OURS), {"lamda-guard": tmp_path})
    for name in ("layer.zip", "nowhere"):
        with pytest.raises(
            OptionError, match=f"layer lambda-guard: '.*{name}' isn't a directory or a zip archive"
        ):
            read(template(OURS), {"lambda-guard": tmp_path / name})


@pytest.mark.parametrize("content", ["nowhere/", "broken.zip", "cut.zip"])
def test_a_content_that_cant_be_used_is_said(content, read, tmp_path):
    """The function starts without the layer; the warning names it and what is wrong with it."""
    layer(tmp_path, "one")
    (tmp_path / "broken.zip").write_bytes(b"PK\5\6" + bytes(8) + b"\xff\0\0\0" + bytes(6))
    (tmp_path / "cut.zip").write_bytes((tmp_path / zipped(tmp_path / "one")).read_bytes()[:-30])
    stack, [warning] = read(template({"Ref": "Layer"}, resources={"Layer": serverless(content)}))
    assert stack.functions[0].layers == ()
    path = tmp_path / content
    assert f"The layer Layer isn't on this machine ('{path}' isn't a directory or a zip archive)" in warning


def test_a_layer_that_no_function_has_may_be_anything(read):
    """It isn't looked at."""
    elsewhere = {"S3Bucket": {"Fn::ImportValue": "theirs"}, "S3Key": "k"}
    plain = {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": elsewhere}}
    stack, warnings = read(template(resources={"Layer": serverless("nowhere"), "Plain": plain}))
    assert (stack.layers, warnings) == ((), ())


@pytest.mark.parametrize("archived", [False, True])
def test_usual_mistakes_are_said(archived, read, tmp_path):
    """A layer that isn't built, modules at its top or for another Python, and extensions, which don't run here."""
    files = {
        "unbuilt": ["requirements.txt", "shared.py"],
        "flat": ["shared.py"],
        "other": ["python/lib/python3.2/site-packages/shared.py", "extensions/agent"],
        "fine": [
            f"python/lib/{HERE}/site-packages/shared.py",
            "python/lib/python3.2/site-packages/shared.py",
        ],
        "binaries": ["bin/tool"],
    }
    for name, paths in files.items():
        for path in paths:
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text("")
    resources = {
        name.title(): serverless(zipped(tmp_path / name) if archived else f"{name}/") for name in files
    }
    resources["Unbuilt"]["Metadata"] = {"BuildMethod": "python3.12"}
    _, warnings = read(template(*({"Ref": name} for name in resources), resources=resources))

    end = ".zip" if archived else ""
    missing = "has no folder python/, in which Lambda looks for modules"
    assert warnings == (
        f"Unbuilt: '{tmp_path}/unbuilt{end}' {missing}; run `sam build`, and start .aws-sam/build/template.yaml",
        f"Flat: '{tmp_path}/flat{end}' {missing}",
        f"Other: it has modules for python3.2 in python/lib, and functions run with this interpreter, {HERE}",
        "Other: its extensions don't run here",
    )


def test_a_zip_of_the_folder_itself_is_said(read, tmp_path):
    """What should be at its top is in a folder, as when the folder is zipped, not what is in it."""
    layer(tmp_path / "all", "mine")
    resources = {"Layer": serverless(zipped(tmp_path / "all"))}
    [warning] = read(template({"Ref": "Layer"}, resources=resources))[1]
    assert warning.endswith("all.zip' has no folder python/, in which Lambda looks for modules")
