"""The events and ARNs of AWS as data: each is built in one place, and taken apart in one place.

For `testing`, `local` and the command-line tools; a function never imports it. Everything is pure: a builder
takes what its caller knows and returns a new dict of plain JSON values, in the order of AWS's examples. An event that
needs no more than its values has no builder: `sample.fill` is called with its document.

```python
from lambda_guard.shapes import arns, sqs

record = sqs.record({"Body": "{}", "MessageId": "m-1", "ReceiptHandle": "r-1"}, queue_arn=arn)
arns.region(arn), arns.name(arn), arns.function("arn:aws:lambda:eu-west-1:123456789012:function:orders:live")
```
"""
