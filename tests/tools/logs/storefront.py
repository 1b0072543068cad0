"""A longer story, for pictures: an order in a shop, from the customer's request to the last mail."""

from ..conftest import ACCOUNT, Logs

LOGS = Logs()
TOPIC = "arn:aws:sns:eu-west-1:123456789012:order-events"
REFUSED = {
    "type": "PaymentRefused",
    "message": "issuer said do_not_honor",
    "fingerprint": "1f2e3d4c5b6a7988",
    "stack": [
        "billing/handler.py:41 in handler",
        "billing/handler.py:67 in settle",
        "billing/gateway.py:112 in charge",
    ],
}


def storefront():
    """Give the lines of the whole story."""
    return [*_checkout(), *_billing(), *_stock(), *_mailer(), *_parcels()]


def _told(number, start, function, *messages, **common):
    """Write lines a few milliseconds apart; a message is (level, text, fields)."""
    return [
        LOGS.line(number, start + 2 + 6 * step, text, function=function, level=level, **fields, **common)
        for step, (level, text, fields) in enumerate(messages)
    ]


def _sent(message_id, target, span, *, service="sqs", operation="SendMessage"):
    return {
        "service": service,
        "operation": operation,
        "target": target,
        "message_id": message_id,
        "span_id": span,
    }


def _from_queue(name, records=1):
    return {"type": "sqs", "source": f"{ACCOUNT}:{name}", "records": records}


def _upstream(parent, *message_ids):
    return {
        "parent_id": parent,
        "upstreams": [
            {
                "trace_id": "1-6742a1b5-0123456789abcdef01234567",
                "parent_id": parent,
                "message_ids": list(message_ids),
            }
        ],
    }


def _checkout():
    return [
        LOGS.start(1),
        *_told(
            1,
            0,
            "checkout",
            ("INFO", "cart priced", {"order_id": "o-8731", "items": 3, "total_eur": 84.9}),
            ("DEBUG", "fraud score", {"score": 0.12, "model": "2026-10"}),
            ("INFO", "order stored", {"order_id": "o-8731", "table": "orders"}),
            (
                "INFO",
                "order accepted",
                {"order_id": "o-8731", "customer": {"id": "c-204", "segment": "returning"}},
            ),
            cold=True,
        ),
        LOGS.record(
            1,
            182,
            182.0,
            function="checkout",
            cold=True,
            init_ms=412.0,
            trigger={"type": "apigateway-v2", "source": "shop", "records": 1},
            span_id="a0",
            sent=[
                _sent("7d1f-order", f"{ACCOUNT}:orders", "a1"),
                _sent("52c9-event", TOPIC, "a2", service="sns", operation="Publish"),
            ],
            calls=[
                {
                    "service": "dynamodb",
                    "operation": "PutItem",
                    "resource": "orders",
                    "count": 1,
                    "errors": 0,
                    "duration_ms": 38.2,
                }
            ],
        ),
        LOGS.end(1),
        LOGS.report(1, 182.0),
    ]


def _billing():
    lines = []
    for attempt, start, took in ((1, 230, 96.0), (2, 30_350, 88.0)):
        number = 1 + attempt
        lines += [
            *_told(
                number,
                start,
                "billing",
                ("INFO", "charging", {"order_id": "o-8731", "amount_eur": 84.9, "message_id": "7d1f-order"}),
                ("DEBUG", "gateway answered", {"status": 402, "took_ms": 61}),
                (
                    "WARNING",
                    "payment refused, will be tried again" if attempt == 1 else "payment refused",
                    {"code": "do_not_honor"},
                ),
            ),
            LOGS.record(
                number,
                start + took,
                took,
                function="billing",
                outcome="error",
                trigger=_from_queue("orders"),
                span_id=f"b{attempt}",
                attempt=attempt,
                final_attempt=attempt == 2,
                error=REFUSED,
                MessageAge=48.0 if attempt == 1 else 30_168.0,
                calls=[
                    {
                        "service": "secretsmanager",
                        "operation": "GetSecretValue",
                        "resource": "gateway",
                        "count": 1,
                        "errors": 0,
                        "duration_ms": 61.4,
                    }
                ],
                **_upstream("a1", "7d1f-order"),
            ),
        ]
    return [
        *lines,
        *_told(
            4,
            30_520,
            "order-rescue",
            ("INFO", "looking at a dead letter", {"message_id": "7d1f-order"}),
            ("INFO", "customer asked for another card", {"order_id": "o-8731"}),
        ),
        LOGS.record(
            4,
            30_580,
            60.0,
            function="order-rescue",
            trigger=_from_queue("orders-dead"),
            span_id="c0",
            sent=[_sent("9e02-mail", f"{ACCOUNT}:mails", "c1")],
            **_upstream("a1", "7d1f-order"),
        ),
    ]


def _stock():
    return [
        *_told(
            5,
            215,
            "stock",
            ("INFO", "reserving", {"sku": ["A-100", "B-220", "C-7"]}),
            ("INFO", "reserved", {"warehouse": "ams-2"}),
            cold=True,
        ),
        LOGS.record(
            5,
            290,
            75.0,
            function="stock",
            cold=True,
            trigger={"type": "sns", "source": TOPIC, "records": 1},
            span_id="d0",
            parent_id="a2",
            sent=[_sent("c3aa-parcel", f"{ACCOUNT}:parcels", "d1")],
            calls=[
                {
                    "service": "dynamodb",
                    "operation": "UpdateItem",
                    "resource": "stock",
                    "count": 3,
                    "errors": 0,
                    "duration_ms": 27.9,
                }
            ],
        ),
    ]


def _parcels():
    return [
        LOGS.start(6),
        *_told(
            6,
            330,
            "parcels",
            ("INFO", "asking the carrier for a label", {"carrier": "postnl"}),
            ("INFO", "still waiting", {"took_ms": 2000}),
        ),
        LOGS.record(
            6,
            530,
            200.0,
            function="parcels",
            outcome="timeout",
            trigger=_from_queue("parcels"),
            error={
                "type": "Timeout",
                "message": "the time ran out after 200 ms",
                "stack": ["parcels.py:23 in handler", "parcels.py:51 in label", "ssl.py:1166 in read"],
            },
            attempt=1,
            MessageAge=40.0,
            **_upstream("d1", "c3aa-parcel"),
        ),
        f"2026-11-23T15:04:05.540Z {LOGS.start(6).split()[2]} Task timed out after 0.20 seconds",
        LOGS.end(6),
        LOGS.report(6, 200.0, status="timeout"),
    ]


def _mailer():
    return [
        *_told(
            7,
            220,
            "mailer",
            ("INFO", "order confirmed to the customer", {"template": "order-received", "locale": "nl"}),
        ),
        LOGS.record(
            7,
            262,
            42.0,
            function="mailer",
            trigger={"type": "sns", "source": TOPIC, "records": 1},
            span_id="e0",
            parent_id="a2",
        ),
        *_told(
            8,
            30_640,
            "mailer",
            ("INFO", "another card asked for", {"template": "payment-refused", "locale": "nl"}),
        ),
        LOGS.record(
            8,
            30_690,
            50.0,
            function="mailer",
            trigger=_from_queue("mails"),
            MessageAge=60.0,
            **_upstream("c1", "9e02-mail"),
        ),
    ]
