"""`lambda-guard policy --code`: the AWS calls of a function's source, and which of them no invocation made."""

import ast
import json
import textwrap
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.group import run
from lambda_guard.tools.policy.code.calls import find
from lambda_guard.tools.policy.code.indexing import index
from lambda_guard.tools.policy.code.program import Program
from lambda_guard.tools.policy.code.sdk import Sdk
from lambda_guard.tools.policy.evidence import Called
from lambda_guard.tools.policy.unmade import code_at

from ..conftest import Logs

LOGS = Logs()
SDK = Sdk()
TEMPLATE = """
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: src
  Other:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: other
      Runtime: python3.13
      Handler: other.handler
      CodeUri: src
  Inline:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Code:
        ZipFile: |
          import boto3
          boto3.client("sts").assume_role(RoleArn="r")
"""


@pytest.fixture
def folder(tmp_path):
    """Write files, and give their folder."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / "src" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return tmp_path / "src"

    return write


@pytest.fixture
def found(folder):
    """Give what a program has: `service:Operation` in the order of its lines, with `?` where only a name says so."""

    def find(text="", **files):
        code = code_at(folder(**({"app": text} if text else {}), **files), "orders")
        return [f"{one.service}:{one.operation}{'' if one.sure else '?'}" for one in code.found.calls]

    return find


WAYS = {
    "a client": 'boto3.client("s3").get_object()',
    "by keyword": 'boto3.client(service_name="s3").get_object()',
    "a client of a session": 'boto3.Session().client("s3").get_object()',
    "of botocore": 'import botocore.session\nbotocore.session.get_session().create_client("s3").get_object()',
    "imported by itself": 'from boto3 import client as make\nmake("s3").get_object()',
    "a name for the service": 'NAME = "s3"\nboto3.client(NAME).get_object()',
    "of the module": 's3 = boto3.client("s3")\ndef handler(e, c):\n    return s3.get_object()',
    "of a closure": "def outer():\n    s3 = boto3.client('s3')\n    def inner():\n        s3.get_object()",
    "a parameter": "def f(client):\n    client.get_object()\nf(boto3.client('s3'))",
    "a parameter by its name": "def f(*, client):\n    client.get_object()\nf(client=boto3.client('s3'))",
    "a default": "def f(client=boto3.client('s3')):\n    client.get_object()",
    "passed on": "def f(x, client):\n    client.get_object()\npool.submit(f, 1, boto3.client('s3'))",
    "to a thread": "def f(client):\n    client.get_object()\nThread(target=f, args=(boto3.client('s3'),))",
    "returned": "def f():\n    return boto3.client('s3')\nf().get_object()",
    "of a lambda": "f = lambda: boto3.client('s3')\nf().get_object()",
    "cached": "@functools.lru_cache\ndef f():\n    return boto3.client('s3')\nf().get_object()",
    "cast": "s3 = cast('S3Client', boto3.client('s3'))\ns3.get_object()",
    "a global": "s3 = None\ndef f():\n    global s3\n    s3 = boto3.client('s3')\ndef g():\n    s3.get_object()",
    "of an outer function": (
        "def f():\n    s3 = None\n    def g():\n        nonlocal s3\n        s3 = boto3.client('s3')\n    s3.get_object()"
    ),
    "appended": "c = []\nc.append(boto3.client('s3'))\nc[0].get_object()",
    "an attribute": (
        "class A:\n    def __init__(self):\n        self.s3 = boto3.client('s3')\n    def f(self):\n        self.s3.get_object()"
    ),
    "an attribute of another": "class A:\n    s3 = boto3.client('s3')\ndef f(a):\n    a.s3.get_object()",
    "a property": (
        "class A:\n    @property\n    def s3(self):\n        return boto3.client('s3')\n    def f(self):\n        self.s3.get_object()"
    ),
    "given to a class": (
        "class A:\n    def __init__(self, s3):\n        self.s3 = s3\n    def f(self):\n        self.s3.get_object()\nA(boto3.client('s3'))"
    ),
    "of a dataclass": "@dataclass\nclass A:\n    s3: object\n    def f(self):\n        self.s3.get_object()\nA(s3=boto3.client('s3'))",
    "annotated": "from mypy_boto3_s3 import S3Client\ndef f(client: 'S3Client | None'):\n    client.get_object()",
    "annotated from a module": "import mypy_boto3_s3.client\ndef f(client: mypy_boto3_s3.client.S3Client):\n    client.get_object()",
    "of a dictionary": "c = {'a': boto3.client('s3')}\nc['a'].get_object()\n",
    "put into a dictionary": "c = {}\nfor n in ('s3',):\n    c[n] = boto3.client(n)\nc.get('s3').get_object()",
    "unpacked": "q, s3 = boto3.client('sqs'), boto3.client('s3')\ns3.get_object()",
    "with": "import aioboto3\nasync def f():\n    async with aioboto3.Session().client('s3') as s3:\n        await s3.get_object()",
    "entered": (
        "import aioboto3\nasync def f(stack):\n    s3 = await stack.enter_async_context(aioboto3.Session().client('s3'))\n"
        "    await s3.get_object()"
    ),
    "as a value": "s3 = boto3.client('s3')\nget = s3.get_object\nget()",
    "mapped": "s3 = boto3.client('s3')\nlist(map(s3.get_object, keys))",
    "by getattr": "getattr(boto3.client('s3'), 'get_object')()",
    "a walrus": "if s3 := boto3.client('s3'):\n    s3.get_object()",
    "a choice": "s3 = boto3.client('s3') if 1 else None\ns3.get_object()",
    "presigned": "boto3.client('s3').generate_presigned_url('get_object')",
    "by its operation": "boto3.client('s3')._make_api_call('GetObject', {})",
    "a resource's action": "boto3.resource('s3').Object('b', 'k').get()",
    "a resource of another": "boto3.resource('s3').Bucket('b').Object('k').get()",
    "a resource's client": "boto3.resource('s3').meta.client.get_object()",
    "of a session that isn't known": "def f(session):\n    session.client('s3').get_object()",
}


@pytest.mark.parametrize("text", WAYS.values(), ids=WAYS.keys())
def test_a_call_is_found_however_its_client_comes(found, text):
    """Through names, functions, classes, containers and threads, and sure of it."""
    assert found(f"import boto3, functools\n{text}\n") == ["s3:GetObject"]


CALLS = {
    "boto3.client('secretsmanager').get_secret_value()": ["secrets-manager:GetSecretValue"],
    "boto3.client('s3').get_paginator('list_objects_v2').paginate()": ["s3:ListObjectsV2"],
    "boto3.client('dynamodb').get_waiter('table_exists').wait()": ["dynamodb:DescribeTable"],
    "boto3.client('s3').generate_presigned_post('b', 'k')": ["s3:PutObject"],
    "boto3.client('s3').download_file('b', 'k', 'f')": ["s3:GetObject", "s3:HeadObject"],
    "boto3.resource('dynamodb').Table('t').put_item()": ["dynamodb:PutItem"],
    "t = boto3.resource('dynamodb').Table('t')\nwith t.batch_writer() as b:\n    b.put_item()": [
        "dynamodb:BatchWriteItem"
    ],
    "boto3.resource('dynamodb').Table('t').item_count": ["dynamodb:DescribeTable"],
    "boto3.resource('dynamodb').Table('t').name": [],
    "boto3.resource('s3').Bucket('b').objects.filter(Prefix='x').delete()": [
        "s3:DeleteObjects",
        "s3:ListObjects",
    ],
    "for o in boto3.resource('s3').Bucket('b').objects.all():\n    o.get()": [
        "s3:ListObjects",
        "s3:GetObject",
    ],
    "boto3.resource('sqs').get_queue_by_name(QueueName='q').send_message()": [
        "sqs:GetQueueUrl",
        "sqs:SendMessage",
    ],
    "boto3.resource('s3').Object('b', 'k').wait_until_exists()": ["s3:HeadObject"],
    "boto3.client('s3').exceptions.NoSuchKey": [],
    "boto3.client('s3').close()": [],
    "from aws_lambda_powertools.utilities import parameters\nparameters.get_secret('db')": [
        "secrets-manager:GetSecretValue"
    ],
    "from aws_lambda_powertools.utilities.parameters import SSMProvider as P\np = P()\np.get('a')": [
        "ssm:GetParameter"
    ],
    "from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer\nDynamoDBPersistenceLayer('t')": [
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    ],
    "from aws_lambda_powertools.utilities.feature_flags import AppConfigStore\nAppConfigStore('a', 'b', 'c')": [
        "appconfigdata:GetLatestConfiguration",
        "appconfigdata:StartConfigurationSession",
    ],
}


@pytest.mark.parametrize("text", CALLS, ids=CALLS.keys())
def test_what_a_method_calls(found, text):
    """By the models of botocore and boto3: paginators, waiters, transfers, resources, collections, and Powertools."""
    assert found(f"import boto3\n{text}\n") == CALLS[text]


def test_values_are_followed_across_files(found):
    """Absolute and relative imports, packages that pass on, circles of both."""
    assert found(
        **{
            "app": "from shop import table\nfrom shop.store import Store\nStore(table).save()",
            "shop/__init__": "from .clients import table\nfrom . import store",
            "shop/clients": "import boto3\nfrom shop.store import again\ntable = boto3.resource('dynamodb').Table('t')\n",
            "shop/store": """
                from shop.clients import table as again
                class Store:
                    def __init__(self, table):
                        self.table = table
                    def save(self):
                        self.table.put_item()
                        again.get_item()
                """,
        }
    ) == ["dynamodb:PutItem", "dynamodb:GetItem"]


def test_modules_that_import_from_each_other_come_to_an_end(found):
    """A name that each takes from the other is nothing; the rest is found."""
    call = "import boto3\nx.get_object()\nboto3.client('s3').put_object()"
    assert found(app=f"from other import x\n{call}", other="from app import x") == [
        "s3:GetObject?",
        "s3:PutObject",
    ]


def test_a_receiver_that_is_nobody_knows_what_goes_by_the_method(found):
    """Loss is worse than noise: of the services that the code has clients of, and said to be unsure."""
    text = "import boto3, json\nboto3.client('sqs')\ndef f(x):\n    x().send_message()\n    json.send_message()\n    x.close()"
    assert found(text) == ["sqs:SendMessage?"]


MAKER = """
    import boto3, functools
    def maker(session):
        @functools.cache
        def client(service):
            return session.client(service)
        return client
    def work(clients):
        clients("sqs").send_message()
    """


def test_a_function_that_makes_any_client(found):
    """What it is called with counts, under whatever name; without that, services that are written anywhere."""
    assert found(f"{MAKER}\n    work(maker(boto3.Session()))") == ["sqs:SendMessage"]
    assert found(MAKER) == ["sqs:SendMessage?"]


def test_a_method_of_its_own_is_none_of_a_client(found):
    """`self.put_item` is what the class defines."""
    text = """
        import boto3
        class Store:
            table = boto3.resource("dynamodb").Table("t")
            def put_item(self):
                self.table.put_item()
            def save(self):
                self.put_item()
        """
    assert found(text) == ["dynamodb:PutItem"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "getattr(boto3.client('s3'), name)()",
            "which method getattr(boto3.client('s3'), name) is isn't written out",
        ),
        ("boto3.client(name)", "which service boto3.client(name) is for isn't written out"),
        ("boto3.client('s4')", "botocore knows no service 's4'"),
        (
            "boto3.client('s3').get_paginator(name)",
            "what boto3.client('s3').get_paginator(name) calls of s3 isn't written out",
        ),
    ],
)
def test_what_cannot_be_told_is_said(folder, text, why):
    """With its line."""
    code = code_at(folder(app=f"import boto3\n{text}\n"), "orders")
    assert list(code.unknown()) == [f"app.py:2: {why}"]


def test_a_file_that_cannot_be_parsed_is_said_and_the_rest_is_read(folder):
    """Also one that is nested too deeply, or that has an escape which Python warns of."""
    deep = f"x = {'(' * 150}1{')' * 150}"
    chained = f"x = a{'.b' * 3_000}"
    code = code_at(
        folder(
            app="import boto3\nboto3.client('s3').get_object('\\d')", bad="def", deep=deep, chained=chained
        ),
        "orders",
    )
    assert [one.operation for one in code.found.calls] == ["GetObject"]
    assert next(code.unknown()) == "bad.py: it can't be parsed by this Python, so that its calls aren't known"
    assert any(one.startswith("chained.py: ") for one in code.unknown())


def test_tests_and_installed_packages_are_not_the_functions_code(folder):
    """Those that use the SDK are named; Powertools and the SDK itself aren't."""
    call = "import boto3\nboto3.client('s3').get_object()"
    root = folder(
        **{"app": "", "tests/test_app": call, "conftest": call, "helper": call, "boto3/session": call}
    )
    (root / "helper-1.dist-info").mkdir()
    (root / "helper-1.dist-info" / "RECORD").write_text("helper.py,sha256=x,3\nhelper-1.dist-info/RECORD,,\n")
    code = code_at(root, "orders")
    assert not code.found.calls
    assert list(code.unknown()) == [
        "installed packages with AWS calls of their own, which weren't read: helper"
    ]


def test_what_is_imported_from_elsewhere_is_named(folder):
    """A layer's modules may call anything; Python's own, AWS's, stubs and what is installed beside don't count."""
    text = """
        import json, os.path, boto3, requests.adapters
        from shop_layer.tables import stock
        from mypy_boto3_s3 import S3Client
        from lambda_guard import production
        from src.helper import help
        import installed, helper
        """
    root = folder(app=text, helper="import yaml", installed="import other")
    (root / "installed-1.dist-info").mkdir()
    (root / "installed-1.dist-info" / "RECORD").write_text("installed.py,,\n")
    assert list(code_at(root, "orders").unknown()) == [
        "whether these call AWS, which it imports from elsewhere: requests, shop_layer, yaml"
    ]


def test_no_source_steers_the_terminal(folder, tmp_path, capsys):
    """Names of files and whatever the code has are written visibly, a call a line."""
    hostile = "a\x1b[31m\u202e"
    root = folder(
        **{hostile: f"import boto3\ndef f(x):\n    boto3.client('sqs').send_message(QueueUrl='{hostile}\\n')"}
    )
    log = tmp_path / "app.log"
    log.write_text(f"{LOGS.record(1, 100, 20)}\n")
    assert run(["policy", str(log), "--function", "orders", "--code", str(root)]) == 1
    said = capsys.readouterr().err
    assert "asks for sqs:SendMessage" in said
    assert not {char for char in said if not char.isprintable()} - {"\n"}


def test_a_zip_is_read_as_its_folder_is(folder, tmp_path):
    """And one that is broken is said."""
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(folder(app="import boto3\nboto3.client('s3').get_object()") / "app.py", "app.py")
    assert [str(one.place) for one in code_at(archive, "orders").found.calls] == ["app.py:2"]
    archive.write_bytes(archive.read_bytes().replace(b"boto3.client", b"boto3.CLIENT"))
    with pytest.raises(LambdaGuardError, match=r"code\.zip: the code can't be read: Bad CRC-32"):
        code_at(archive, "orders")


def test_a_folder_without_python_is_said(tmp_path):
    """Nothing read is no proof that nothing is called."""
    with pytest.raises(LambdaGuardError, match="there is no Python source in it"):
        code_at(tmp_path, "orders")


def test_a_template_tells_where_the_code_is_and_what_its_handler_reaches(folder, tmp_path):
    """Only modules that the handler imports count; names may be CloudFormation's."""
    put, get = (f"import boto3\nboto3.client('dynamodb').{one}_item()\n" for one in ("put", "get"))
    folder(app=f"import shared\n{put}", shared=get, other=get)
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE)

    def places(function):
        return [str(one.place) for one in code_at(template, function).found.calls]

    assert places("Orders") == places("shop-Orders-1A2b3C4d5E6f") == ["app.py:3", "shared.py:2"]
    assert places("other") == ["other.py:2"]
    assert places("Inline") == ["index.py:2"]
    with pytest.raises(
        LambdaGuardError,
        match=r"which of its functions is orders isn't known \(there are: Orders, Other, Inline\)",
    ):
        code_at(template, "orders")


def unmade(root, *called):
    return code_at(root, "orders").unmade([Called(*one) for one in called])


def test_a_call_that_no_invocation_made_is_named_with_its_action(folder):
    """By what it asks of IAM: HeadObject asks for what GetObject does."""
    root = folder(
        app="""
        import boto3
        s3, table = boto3.client("s3"), boto3.resource("dynamodb").Table("stock")
        def handler(event, context):
            try:
                s3.head_object()
                s3.get_object()
            except Exception:
                table.put_item()
                s3.upload_file("f", "b", "k")
        """
    )
    assert unmade(root, ("s3", "GetObject", "b")) == [
        "app.py:9: table.put_item asks for dynamodb:PutItem",
        "app.py:10: s3.upload_file asks for s3:PutObject",
    ]


def test_what_a_record_tells_of_a_call_counts(folder):
    """A transaction that put items has deleted none; what its code may hold besides can't be told."""
    text = """
        import boto3
        db = boto3.client("dynamodb")
        def handler(event, context):
            db.transact_write_items()
            db.put_item()
            db.delete_item()
            db.execute_statement()
        """
    put, select = (
        Called("dynamodb", "TransactWriteItems", "stock", kind="Put"),
        Called("dynamodb", "ExecuteStatement", "s", kind="Select"),
    )
    assert code_at(folder(app=text), "orders").unmade([put, select]) == [
        "app.py:7: db.delete_item asks for dynamodb:DeleteItem"
    ]


def test_another_resource_than_those_called_is_named(folder):
    """A name that no invocation used, and more variables than there were resources."""
    root = folder(
        app="""
        import boto3, os
        db = boto3.resource("dynamodb")
        ok, failed = db.Table(os.environ["OK"]), db.Table(os.getenv("FAILED"))
        def handler(event, context):
            ok.put_item()
            db.Table("stock").get_item()
            db.Table("audit").get_item()
            error(failed)
        def error(table):
            table.put_item()
        """
    )
    stock = "arn:aws:dynamodb:eu-west-1:123456789012:table/stock"
    assert unmade(root, ("dynamodb", "PutItem", "orders"), ("dynamodb", "GetItem", stock)) == [
        "app.py:8: db.Table('audit').get_item asks for dynamodb:GetItem on audit",
        "dynamodb:PutItem on $FAILED (app.py:11), $OK (app.py:6): invocations called 1 of these 2",
    ]
    both = [("dynamodb", "PutItem", one) for one in ("orders", "failed")]
    assert unmade(root, *both, *(("dynamodb", "GetItem", one) for one in ("stock", "audit"))) == []


def test_the_command_says_it_and_the_policy_is_a_draft(folder, tmp_path, capsys):
    """Standard error has each place; the policy's statements begin with Draft."""
    root = folder(
        app="import boto3\nboto3.client(name)\ndef handler(e, c):\n    boto3.client('sqs').send_message()\n"
    )
    log = tmp_path / "app.log"
    log.write_text(f"{LOGS.record(1, 100, 20)}\n")
    enough = (
        "--least-invocations",
        "1",
        "--least-days",
        "1",
        "--account",
        "123456789012",
        "--region",
        "eu-west-1",
    )
    assert run(["policy", str(log), "--function", "orders", *enough, "--code", str(root)]) == 0
    out, err = capsys.readouterr()
    assert all(one["Sid"].startswith("Draft") for one in json.loads(out)["Statement"])
    assert f"code: {root}, 1 module with 1 AWS call\n" in err
    assert (
        "not known of the code: app.py:2: which service boto3.client(name) is for isn't written out\n" in err
    )
    assert (
        "lambda-guard: no invocation made it: app.py:4: boto3.client('sqs').send_message asks for sqs:SendMessage\n"
        in err
    )
    assert "lambda-guard: a draft: its code has AWS calls that no invocation made\n" in err


def test_a_call_of_a_module_is_made_where_no_record_tells_of_it(folder):
    """While the environment starts: of a class's body, too, and not of what these only define."""
    root = folder(
        app="""
        import boto3
        s3 = boto3.client("s3")
        s3.get_object()
        class A:
            s3.put_object()
            def f(self):
                s3.delete_object()
        """
    )
    starting = " (while the environment starts: no record tells of that)"
    assert unmade(root) == [
        f"app.py:4: s3.get_object asks for s3:GetObject{starting}",
        f"app.py:6: s3.put_object asks for s3:PutObject{starting}",
        "app.py:8: s3.delete_object asks for s3:DeleteObject",
    ]


def test_code_is_read_before_logs(tmp_path, capsys):
    """Who mistypes a path hears of it before weeks of logs are read."""
    assert run(["policy", "nowhere.log", "--function", "orders", "--code", str(tmp_path)]) == 1
    assert "there is no Python source in it" in capsys.readouterr().err


_NAMES = st.sampled_from(["a", "b", "self", "boto3", "s3", "client", "get_object"])
_EXPRESSIONS = st.recursive(
    _NAMES | st.just("boto3.client('s3')"),
    lambda inner: st.one_of(
        st.builds("{}.{}".format, inner, _NAMES),
        st.builds("{}({})".format, inner, inner),
        st.builds("[{}][{}]".format, inner, inner),
        st.builds("(lambda a: {})".format, inner),
        st.builds("({} if {} else b)".format, inner, inner),
    ),
    max_leaves=6,
)
_STATEMENTS = st.one_of(
    st.builds("{} = {}".format, _NAMES, _EXPRESSIONS),
    st.builds("def {}(self, a={}): return {}".format, _NAMES, _EXPRESSIONS, _EXPRESSIONS),
    st.builds("class {}({}): b = {}".format, _NAMES, _NAMES, _EXPRESSIONS),
    st.builds("from {} import {}".format, _NAMES, _NAMES),
    st.builds("for {} in {}: {}".format, _NAMES, _EXPRESSIONS, _EXPRESSIONS),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_STATEMENTS, max_size=8), st.lists(_STATEMENTS, max_size=4))
def test_no_program_stops_it(one, other):
    """Circles of names, calls and imports come to an end."""
    program = Program()
    app = "\n".join(["import boto3", *one, "boto3.client('sns').publish()"])
    for name, text in (("app", app), ("a", "\n".join(["from app import *", *other]))):
        index(program, name, f"{name}.py", ast.parse(text))
    assert "Publish" in {call.operation for call in find(program, program.modules, SDK).calls}
