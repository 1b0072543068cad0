"""What a replay sends, deletes and keeps, over queues in memory."""

import json
from collections import Counter

import pytest

from lambda_guard.tools.stopping import Stop

from .fakes import FakeSqs, PowerCut, order

TRACE = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"
ATTRIBUTES = {
    "text": {"DataType": "String", "StringValue": "ä"},
    "number": {"DataType": "Number.int", "StringValue": "7"},
    "bytes": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
}


def fill(sqs, count, **more):
    return [sqs.put("dead", order(number), **more) for number in range(count)]


def test_a_letter_goes_back_as_it_was(sqs, replay):
    """Body, attributes of every type and the trace are kept; the letter is gone from the dead-letter queue."""
    sqs.put("dead", "not json", attributes=ATTRIBUTES, system={"AWSTraceHeader": TRACE})
    tally = replay(sqs)

    assert tally.counts == {"delivered": 1}
    assert sqs.queues["dead"] == []
    assert sqs.sent == [
        (
            "source",
            {
                "Id": "0",
                "MessageBody": "not json",
                "MessageAttributes": ATTRIBUTES,
                "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": TRACE}},
            },
        )
    ]


def test_a_malformed_trace_header_is_left_behind(sqs, replay):
    """SQS would refuse the whole call for it."""
    sqs.put("dead", order(1), system={"AWSTraceHeader": "Root=nonsense"})
    replay(sqs)
    assert "MessageSystemAttributes" not in sqs.sent[0][1]


def test_fifo_letters_keep_group_and_order_and_get_a_new_deduplication_id(replay):
    """One of a group in a call; the original deduplication id would be dropped in silence for five minutes."""
    sqs = FakeSqs(**{"dead.fifo": [], "orders.fifo": []})
    for number in range(4):
        system = {"MessageGroupId": "ab"[number % 2], "MessageDeduplicationId": f"original-{number}"}
        sqs.put("dead.fifo", order(number), source="orders.fifo", system=system)
    replay(sqs, name="dead.fifo")
    sent = [
        (entry["MessageBody"], entry["MessageGroupId"], entry["MessageDeduplicationId"])
        for _, entry in sqs.sent
    ]
    batches = sqs.calls.count("SendMessageBatch")

    assert sent == [(order(number), "ab"[number % 2], f"replay-m-{number + 1}-1") for number in range(4)]
    assert batches == 2


def test_what_follows_a_failed_letter_in_its_fifo_group_stays(replay):
    """Otherwise it would overtake the failed one."""
    sqs = FakeSqs(**{"dead.fifo": [], "orders.fifo": []})
    for number in range(4):
        sqs.put("dead.fifo", order(number), source="orders.fifo", system={"MessageGroupId": "ab"[number % 2]})
    sqs.refused[order(0)] = {"Code": "InvalidMessageContents", "Message": "no", "SenderFault": True}
    tally = replay(sqs, name="dead.fifo")

    assert sqs.bodies("dead.fifo") == [order(0), order(2)]
    assert sqs.bodies("orders.fifo") == [order(1), order(3)]
    assert tally.counts == {"delivered": 2, "failed": 2}


def test_only_what_successful_names_is_deleted(sqs, replay):
    """A batch that SQS takes in part comes with HTTP 200; what is the sender's fault isn't sent again, and stays."""
    fill(sqs, 3)
    sqs.refused[order(1)] = {"Code": "InvalidMessageContents", "Message": "not allowed", "SenderFault": True}
    tally = replay(sqs)

    assert sqs.calls.count("SendMessageBatch") == 1
    assert sqs.bodies("dead") == [order(1)]
    assert tally.counts == {"delivered": 2, "failed": 1}
    assert tally.reasons == {("failed", "InvalidMessageContents: not allowed"): 1}
    assert tally.exit_code == 1


def test_what_sqs_could_not_take_for_its_own_reasons_is_sent_again(sqs, replay):
    """A few times; then it counts as failed, and stays."""
    fill(sqs, 2)
    sqs.refused[order(1)] = {"Code": "InternalError", "Message": "later", "SenderFault": False}
    tally = replay(sqs)

    assert sqs.calls.count("SendMessageBatch") == 4
    assert sqs.bodies("dead") == [order(1)]
    assert tally.counts == {"delivered": 1, "failed": 1}


@pytest.mark.parametrize(
    ("code", "what"), [("AccessDenied", "failed"), ("RequestThrottled", "failed"), ("silence", "unsure")]
)
def test_a_target_that_takes_nothing_is_tried_once(sqs, replay, code, what):
    """Every letter stays; after a refusal nothing has arrived, after a silence something may have."""
    fill(sqs, 25)
    sqs.broken["SendMessageBatch"] = code
    tally = replay(sqs)

    assert sqs.calls.count("SendMessageBatch") == 1
    assert len(sqs.queues["dead"]) == 25
    assert tally.counts[what] >= 10
    assert tally.counts.total() == 25


def test_letters_that_came_back_are_held_until_they_are_asked_for(sqs, replay):
    """A letter that died again under the id that its replay gave it is recognised."""
    fill(sqs, 1)
    replay(sqs)
    [again] = sqs.queues["source"]
    sqs.queues["source"] = []
    sqs.put("dead", again["Body"], message_id=again["MessageId"])

    held = replay(sqs)
    assert held.counts == {"held": 1}
    assert held.exit_code == 1
    assert sqs.bodies("dead") == [order(0)]
    assert replay(sqs, again=True).counts == {"delivered": 1}


def test_the_same_content_is_held_in_the_third_run(sqs, replay):
    """Where something on the way gives new ids, the content still tells that it goes in circles."""
    for _ in range(2):
        fill(sqs, 3, message_id=None)
        assert replay(sqs).counts == {"delivered": 3}
    fill(sqs, 3)
    assert replay(sqs).counts == {"held": 3}


def test_a_letter_that_is_tried_again_and_again_holds_no_other_back(sqs, replay):
    """Two runs couldn't deliver it: its content was replayed for one letter, and didn't go in circles."""
    fill(sqs, 1)
    sqs.broken["SendMessageBatch"] = "AccessDenied"
    for _ in range(2):
        assert replay(sqs).counts == {"failed": 1}
        sqs.restart()
    sqs.broken.clear()
    fill(sqs, 1)
    assert replay(sqs).counts == {"delivered": 2}


def test_many_letters_of_one_content_are_replayed_in_one_run(sqs, replay):
    """Equal events, such as those of a schedule, do not hold each other back."""
    for _ in range(30):
        sqs.put("dead", "{}")
    assert replay(sqs).counts == {"delivered": 30}


def test_what_follows_a_held_letter_in_its_fifo_group_stays(replay):
    """A letter that came back is not overtaken by one that died after it; other groups go on."""
    sqs = FakeSqs(**{"dead.fifo": [], "orders.fifo": []})
    sqs.put("dead.fifo", order(0), source="orders.fifo", system={"MessageGroupId": "a"})
    replay(sqs, name="dead.fifo")
    [again] = sqs.queues["orders.fifo"]
    sqs.queues["orders.fifo"] = []
    for number, (group, message_id) in enumerate(
        [("a", again["MessageId"]), ("a", "m-8"), ("b", "m-9"), ("a", "m-10")]
    ):
        system = {"MessageGroupId": group}
        sqs.put("dead.fifo", order(number), source="orders.fifo", system=system, message_id=message_id)
    held = replay(sqs, name="dead.fifo")

    assert sqs.bodies("dead.fifo") == [order(0), order(1), order(3)]
    assert sqs.bodies("orders.fifo") == [order(2)]
    assert held.counts == {"held": 3, "delivered": 1}
    reason = "a letter before it in its FIFO group stays: replay or discard that one"
    assert held.reasons["held", reason] == 2
    assert replay(sqs, name="dead.fifo", again=True).counts == {"delivered": 3}
    assert sqs.bodies("orders.fifo") == [order(2), order(0), order(1), order(3)]


def test_a_standard_queue_holds_nothing_back(sqs, replay):
    """There is no order to keep where groups are a fair queue's tenants."""
    sqs.put("dead", order(0), system={"MessageGroupId": "a"})
    replay(sqs)
    [again] = sqs.queues["source"]
    sqs.put("dead", order(0), system={"MessageGroupId": "a"}, message_id=again["MessageId"])
    sqs.put("dead", order(1), system={"MessageGroupId": "a"}, message_id="m-8")

    assert replay(sqs).counts == {"held": 1, "delivered": 1}


def test_the_limit_is_kept(sqs, replay):
    """Not one more is sent, and what was not sent is still there."""
    fill(sqs, 25)
    assert replay(sqs, limit=12).counts == {"delivered": 12}
    assert len(sqs.queues["dead"]) == 13


class Waits(Stop):
    """Notes how long was waited, and waits for nothing."""

    def __init__(self, sqs):
        super().__init__()
        self.sqs, self.waited = sqs, []

    def wait(self, seconds):
        self.waited.append((len(self.sqs.sent), seconds))


def test_the_rate_is_kept(sqs, replay):
    """Two seconds' worth at most goes out at once, and then the next one's turn is waited for."""
    fill(sqs, 12)
    stop = Waits(sqs)
    replay(sqs, rate=2, stop=stop)
    assert [sent for sent, _ in stop.waited] == [4, 8, 12]
    assert all(seconds > 0 for _, seconds in stop.waited[1:])


def test_the_wish_to_end_is_granted_between_batches(sqs, replay):
    """What was not sent is in the queue, visible; the same command goes on."""
    fill(sqs, 30)
    stop = Stop()

    def wish(_sent):
        stop.requested = True

    replay(sqs, rate=5, stop=stop, on_sent=wish)
    assert (len(sqs.queues["dead"]), len(sqs.queues["source"]), sqs.in_flight["dead"]) == (20, 10, {})
    assert replay(sqs).counts == {"delivered": 20}


def test_filters_leave_letters_where_they_are(sqs, replay):
    """They are passed over, and visible again at the end."""
    fill(sqs, 5)
    tally = replay(sqs, wanted=lambda letter: letter.event["id"] % 2)
    assert (tally.counts, tally.passed_over) == ({"delivered": 2}, 3)
    assert sqs.in_flight["dead"] == {}


def test_letters_without_a_way_are_left_with_a_reason(replay):
    """A queue that is gone, and letters of which nobody knows the origin; AWS is asked once for each reason."""
    sqs = FakeSqs(dead=[])
    for number in range(5):
        sqs.put("dead", order(number), source="gone")
        sqs.put("dead", order(number), source="")
    tally = replay(sqs)
    reasons = sorted(reason for _, reason in tally.reasons)

    assert tally.counts == {"refused": 10}
    assert sqs.calls.count("GetQueueUrl") == 2  # the dead-letter queue and the one that is gone
    assert "gone, which can't be reached" in reasons[0]
    assert reasons[1] == (
        "its origin is not known, and no queue's redrive policy names this one: name a target with --to"
    )


def test_a_letter_goes_to_no_queue_that_only_has_the_same_name(sqs, replay):
    """One in another region is another queue; what is no whole ARN ends nothing but its own letter."""
    for target in ("arn:aws:sqs:us-west-2:123456789012:source", "arn:aws:sqs:x"):
        told = {"RULE_ARN": "arn:aws:events:r", "TARGET_ARN": target}
        attributes = {name: {"DataType": "String", "StringValue": text} for name, text in told.items()}
        sqs.put("dead", "{}", source="", attributes=attributes)
    tally = replay(sqs)
    assert [reason for _, reason in tally.reasons] == [
        "it was bound for arn:aws:sqs:us-west-2:123456789012:source, in another region: it can't be sent from here",
        "it was bound for arn:aws:sqs:x: name a target with --to",
    ]
    assert len(sqs.queues["dead"]) == 2
    assert sqs.queues["source"] == []


def test_a_letter_without_a_sign_goes_to_the_one_queue_that_names_this_one(sqs, replay):
    """As long as there is only one, its origin is beyond doubt."""
    sqs.put("dead", order(1), source="")
    assert replay(sqs).counts == {"delivered": 1}
    assert sqs.bodies("source") == [order(1)]


def test_a_letter_that_is_delivered_but_not_deleted_is_not_sent_again(sqs, replay):
    """The journal knows: the next run only deletes it. The report of this one says what is left, and why."""
    fill(sqs, 2)
    sqs.broken["DeleteMessageBatch"] = "AccessDenied"
    with pytest.raises(Exception, match="delete letters in dead: the permission DeleteMessage is missing"):
        replay(sqs)
    assert replay.tally.counts == {"delivered": 2, "undeleted": 2}
    sqs.restart()
    sqs.broken.clear()

    assert replay(sqs).counts == {"finished": 2}
    assert len(sqs.sent) == 2
    assert sqs.queues["dead"] == []


def calls_of_a_replay(count):
    sqs = FakeSqs(dead=[], source=[])
    fill(sqs, count)
    return sqs


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", range(1, 16))
def test_whatever_call_the_power_is_cut_at_nothing_is_lost(replay, call, moment):
    """Twelve letters, cut at each call: all arrive, and twice only those whose answer was lost with the process."""
    sqs = calls_of_a_replay(12)
    sqs.cut = (call, moment)
    try:
        replay(sqs)
        cut_at = None
    except PowerCut:
        cut_at = sqs.calls[call - 1]
    sqs.restart()
    tally = replay(sqs)
    arrived = Counter(
        body for name, body in ((name, entry["MessageBody"]) for name, entry in sqs.sent) if name == "source"
    )

    assert sqs.queues["dead"] == []
    assert set(arrived) == {order(number) for number in range(12)}
    twice = sum(count - 1 for count in arrived.values())
    assert twice == (tally.maybe_twice if (cut_at, moment) == ("SendMessageBatch", "after") else 0)
    assert cut_at is None or twice <= 10


def test_a_repeated_send_of_unknown_outcome_keeps_its_deduplication_id(replay):
    """A FIFO queue then drops the second one, if the first one has arrived after all."""
    sqs = FakeSqs(**{"dead.fifo": [], "orders.fifo": []})
    sqs.put("dead.fifo", order(1), source="orders.fifo", system={"MessageGroupId": "a"})
    sqs.broken["SendMessageBatch"] = "silence"
    replay(sqs, name="dead.fifo")
    sqs.broken.clear()
    sqs.restart()
    replay(sqs, name="dead.fifo")
    assert [entry["MessageDeduplicationId"] for _, entry in sqs.sent] == ["replay-m-1-1"]


def test_a_replay_after_a_refusal_has_a_new_deduplication_id(replay):
    """Nothing has arrived under the first one, and a retry is an attempt of its own."""
    sqs = FakeSqs(**{"dead.fifo": [], "orders.fifo": []})
    sqs.put("dead.fifo", order(1), source="orders.fifo", system={"MessageGroupId": "a"})
    sqs.refused[order(1)] = {"Code": "Denied", "Message": "no", "SenderFault": True}
    replay(sqs, name="dead.fifo")
    sqs.refused.clear()
    sqs.restart()
    replay(sqs, name="dead.fifo")
    assert [entry["MessageDeduplicationId"] for _, entry in sqs.sent] == ["replay-m-1-2"]


def test_the_journal_holds_every_letter_whole(sqs, replay):
    """What was sent can be restored from the file alone, binary attributes included."""
    sqs.put("dead", "ü", attributes=ATTRIBUTES)
    replay(sqs)
    lines = [json.loads(line) for line in replay.journal.read_text().splitlines()]
    [sent] = [line for line in lines if line["do"] == "letter"]

    assert [line["do"] for line in lines] == ["run", "letter", "send", "delivered", "deleted"]
    assert sent["message"]["body"] == "ü"
    assert sent["message"]["attributes"]["bytes"] == {"DataType": "Binary.png", "BinaryValue": "AP8="}
    assert replay.journal.stat().st_mode & 0o777 == 0o600
