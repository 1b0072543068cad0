"""What comes of a delivery."""

from types import SimpleNamespace

from lambda_guard.tools.dlq.delivery import Delivery
from lambda_guard.tools.dlq.letter import Letter, Origin
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.dlq.sending import Sender
from lambda_guard.tools.dlq.targets import Target


def test_an_asynchronous_invocation_is_reported_with_its_new_id():
    """Lambda's request id of the call: under it the function's logs have the new attempt."""
    events = SimpleNamespace(register=lambda *_, **__: None)
    answer = {"StatusCode": 202, "ResponseMetadata": {"RequestId": "r-9"}}
    client = SimpleNamespace(meta=SimpleNamespace(events=events), invoke=lambda **_: answer)
    letter = Letter(Message("m-1", "{}", receipt="r-1"), Origin.QUEUE, "{}")
    [result] = Sender(lambda _: client).deliver([Delivery(letter, Target("function", "orders"), 1)])
    assert (result.state, result.new_id) == ("delivered", "r-9")
