"""A tracer that isn't X-Ray's, as small as one can be: spans as plain dicts, handed to whoever collects them."""

from lambda_guard.propagation.place import new_id
from lambda_guard.sinks.tracer import Tracer

_takers = []


def collect(take):
    _takers.append(take)
    return lambda: _takers.remove(take)


class Plain(Tracer):
    """One span for an invocation, a batch item or a call, linked with the other traces that it serves."""

    def __init__(self, handler):
        self.handler = handler

    def enter(self, scope):
        if scope.place is not None:
            scope.trace = self._begun(self.handler, scope)

    def leave(self, scope, outcome):
        self._end(scope, outcome.kind, outcome.error, outcome.ended)

    def warn(self, scope, outcome):
        error = scope.stuck.as_error()
        for work in (scope, *(scope.at_work or ())):
            if work.trace is not None:
                self._send({**work.trace, "outcome": outcome.kind, "error": error, "open": True})

    def begin_item(self, item):
        if item.place is not None:
            item.recorded = True
            item.trace = {**self._begun("item", item), "message_id": item.keys.get("message_id")}

    def end_item(self, item, error, ended):
        if item.trace is None:
            self.begin_item(item)
        self._end(item, "success" if error is None else "error", error, ended)

    def begin_call(self, work, call):
        if work.trace is not None:
            name, above = f"{call.service} {call.operation}", work.trace
            call.span = {"name": name, "id": new_id(), "trace": above["trace"], "parent": above["id"]}
            above["top"] = call.span["id"]

    def end_call(self, call, response, error):
        if call.span is not None:
            self._send({**call.span, "outcome": "success" if error is None else "error"})

    def current_id(self, work):
        return work.trace.get("top") if work.trace is not None else None

    def _end(self, work, outcome, error, ended):
        if work.trace is not None:
            it, own, trace = work.scope.invocation, work.scope.invocation.trace, work.trace
            roots = [own.root, *(each.header.root for each in it.upstreams if each.header)]
            links = [root for root in roots if root != trace["trace"]] if work is work.scope else []
            self._send({**trace, "outcome": outcome, "ended": ended, "error": error, "links": links})

    def _begun(self, name, work):
        header, span_id = work.place.header, work.place.span_id
        return {
            "name": name,
            "id": span_id,
            "trace": header.root,
            "parent": header.parent,
            "started": work.started,
        }

    def _send(self, span):
        for take in _takers:
            take(span)


make = Plain
