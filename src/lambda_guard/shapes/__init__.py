"""The events and ARNs of AWS as data: each is built in one place, and taken apart in one place.

For `testing`, `local` and the command-line tools; a function never imports it. Everything is pure: a builder
takes what its caller knows and returns a new dict of plain JSON values, in the order of AWS's examples.

```python
from lambda_guard.shapes import arns, sqs

record = sqs.record(body, queue_arn=arn, message_id="m-1", receipt_handle="r-1", attributes={})
arns.region(arn), arns.name(arn), arns.function("arn:aws:lambda:eu-west-1:123456789012:function:orders:live")
```
"""
