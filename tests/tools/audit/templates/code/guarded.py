"""A handler that is decorated, and answers in part."""

from lambda_guard import production


@production(each_record=True, report_batch_item_failures=True)
def handler(record, context):
    return record["body"]
