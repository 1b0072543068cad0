"""In moto's process: what buckets notify of: functions, queues, topics, and the default bus.

moto matches events and keys; its events are made of constants, and its functions run in Docker.
"""

import json
import re
import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus

from flask import has_request_context, request
from moto.events.models import events_backends
from moto.s3 import notifications
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response
from moto.sns.models import sns_backends

from lambda_guard.local.aws.deliveries import Functions, UndeliverableError
from lambda_guard.local.aws.event_bus import put
from lambda_guard.local.aws.replacing import replaces
from lambda_guard.local.runtime.platform_log import now_text
from lambda_guard.shapes.sample import fill

_SUBJECT: Final = "Amazon S3 Notification"
_ASKED: Final = {
    notifications.S3NotificationEvent.OBJECT_ACL_UPDATE_EVENT: "acl",
    notifications.S3NotificationEvent.OBJECT_TAGGING_PUT_EVENT: "tagging",
}
"""Events of requests of their own, each with the word in the query that makes it one."""
_RULE: Final = re.compile(r"(?<=<Name>)(?:Prefix|Suffix)(?=</Name>)")
_REASONS: Final[Mapping[str, str]] = {
    "Put": "PutObject",
    "Post": "POST Object",
    "Copy": "CopyObject",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
    "Delete": "DeleteObject",
    "DeleteMarkerCreated": "DeleteObject",
}


def events_of_buckets() -> None:
    """AWS: "The notification message that Amazon S3 sends to publish an event is in the JSON format", one record each.

    moto's lack fields, come of every upload's own access list and tags, too, and of rules with small initials alone.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """

    @replaces(notifications, "send_event")
    def send(original: Any, account: str, event_name: Any, bucket: Any, key: Any) -> None:
        asked = _ASKED.get(event_name)
        if asked is not None and has_request_context() and asked not in request.args:
            return  # moto sets both with every upload
        original(account, event_name, bucket, key)

    @replaces(notifications, "_get_s3_event")
    def s3_event(
        _original: Any, event_name: Any, bucket: Any, key: Any, notification_id: str
    ) -> dict[str, Any]:
        names = {
            "event_name": str(event_name.value)[3:],
            "bucket": bucket.name,
            "key": quote_plus(key.name, safe="/"),
        }
        facts = {**_facts(bucket, key, deleted="Removed" in names["event_name"]), **names}
        return {"Records": [fill("s3", facts, configuration=notification_id, time=now_text())]}

    @replaces(S3Response, "_notification_config_from_body")
    def config(original: Any, self: Any) -> Any:
        self.body = _RULE.sub(lambda name: name[0].lower(), _text(self.body))  # AWS takes both
        return original(self)

    _delete_markers_are_events()


def _delete_markers_are_events() -> None:
    """AWS, s3:ObjectRemoved:DeleteMarkerCreated: "a delete marker created for a versioned object"; moto tells nobody.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
    """

    @replaces(S3Backend, "_set_delete_marker")
    def mark(original: Any, self: Any, bucket: str, key: str) -> Any:
        marker = original(self, bucket, key)
        created = notifications.S3NotificationEvent.OBJECT_REMOVED_DELETE_MARKER_CREATED_EVENT
        notifications.send_event(self.account_id, created, self.get_bucket(bucket), marker)
        return marker


def buckets_notify(functions: Functions) -> None:
    """AWS: "Amazon S3 can invoke a Lambda function when an event occurs", and sends to topics with a subject.

    "If a service uses the AWS X-Ray SDK … to upload objects, Amazon S3 passes tracing headers" to functions, queues
    and topics: those of the request, which moto answers in this thread.

    https://docs.aws.amazon.com/lambda/latest/dg/with-s3.html,
    https://docs.aws.amazon.com/xray/latest/devguide/xray-services-s3.html
    """

    @replaces(notifications, "_invoke_awslambda")
    def invoke(_original: Any, _account: str, event: Any, arn: str, _region: str) -> None:
        try:
            functions.invoke(arn, json.dumps(event))
        except UndeliverableError as error:
            functions.say(f"a notification of S3 is lost for {arn}: {error}")

    @replaces(notifications, "_send_sns_message")
    def publish(_original: Any, account: str, event: Any, topic: str, region: str) -> None:
        if "Records" not in event:
            return  # a test of the topic, whose subscribers aren't there yet when a template is made
        try:
            sns_backends[account][region].publish(arn=topic, message=json.dumps(event), subject=_SUBJECT)
        except Exception as error:
            functions.say(f"a notification of S3 is lost for {topic}: {error}")


def buckets_send_to_the_default_bus() -> None:
    """AWS: "Amazon S3 can send events to Amazon EventBridge whenever certain events happen in your bucket".

    moto sends them past all buses, rules that are disabled, and inputs.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """

    @replaces(notifications, "_send_event_bridge_message")
    def send(_original: Any, account: str, bucket: Any, event_name: Any, key: Any) -> None:
        name = str(event_name.value).rpartition(":")[2]
        deleted = "Removed" in str(event_name.value)
        detail = fill(
            "s3-on-a-bus",
            _facts(bucket, key, deleted=deleted),
            bucket=bucket.name,
            key=key.name,
            requester=account,
            reason=_REASONS.get(name) if deleted or "Created" in str(event_name.value) else None,
            deletion=_deletion(name) if deleted else None,
        )
        event = fill(
            "eventbridge",
            event_id=str(uuid.uuid4()),
            detail_type=notifications._detail_type(event_name),  # noqa: SLF001 - moto has no public one
            source="aws.s3",
            account=account,
            time=time.time(),
            region=bucket.region_name,
            resources=[bucket.arn],
            detail=detail,
        )
        put(events_backends[account][bucket.region_name].event_buses["default"], event)


def _text(body: str | bytes) -> str:
    return body.decode() if isinstance(body, bytes) else body


def _deletion(name: str) -> str:
    return "Delete Marker Created" if name == "DeleteMarkerCreated" else "Permanently Deleted"


def _facts(bucket: Any, key: Any, *, deleted: bool) -> dict[str, Any]:
    """Return what both kinds of events say of an object and of the request; of a deleted one neither size nor tag."""
    version = key.version_id if bucket.versioning_status == "Enabled" else None
    return {
        "region": bucket.region_name,
        "size": None if deleted else key.size,
        "etag": None if deleted else key.etag.replace('"', ""),
        "version": version,
        "sequencer": f"{time.time_ns():018X}",
        "request_id": secrets.token_hex(8).upper(),
        "principal": "AWS:AIDALOCAL",
        "source_ip": (request.remote_addr if has_request_context() else None) or "127.0.0.1",
    }
