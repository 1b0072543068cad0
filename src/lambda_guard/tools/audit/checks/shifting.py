"""Does a new version take over bit by bit, and would an alarm stop it?

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/automating-updates-to-serverless-apps.html
"""

import re
from collections.abc import Iterator
from typing import Final

from lambda_guard.templates.survey.model import Alarm, Deployment, Function
from lambda_guard.templates.survey.nodes import Unknown
from lambda_guard.tools.audit.findings import Found, Subject, Yield

_SHIFT: Final = re.compile(r"(Canary|Linear)(\d+)Percent(?:Every)?(\d+)Minutes?$")
_VERSION: Final = {"ExecutedVersion", "function_version"}


def no_shifting(subject: Subject) -> Yield:
    """Yield one finding for all functions whose new version gets all calls at once."""
    if subject.survey.deployed:
        return
    at_once = [it for it in subject.watched("IG601") if _at_once(it.deployment)]
    if at_once:
        names = ", ".join(it.logical_id for it in at_once)
        yield Found(
            at_once[0].place,
            f"a new version gets all calls at once: {names}",
            tuple(it.logical_id for it in at_once),
        )


def _at_once(deployment: Deployment | None) -> bool:
    return deployment is None or deployment.enabled is False or "AllAtOnce" in str(deployment.preference)


def _shifted(subject: Subject) -> Iterator[tuple[Function, Deployment, float | None]]:
    """Yield the deployments that are gradual, with how long they take, in seconds."""
    for it in subject.watched():
        deployment = it.deployment
        if deployment is not None and isinstance(deployment.preference, str) and not _at_once(deployment):
            yield it, deployment, _window(deployment.preference)


def _window(preference: str) -> float | None:
    """Return how long two versions are at work: a canary's step, or all steps of a linear one."""
    return 60.0 * sum(minutes for _, minutes in steps(preference)) if _SHIFT.search(preference) else None


def steps(preference: str) -> list[tuple[float, int]]:
    """Return the steps before a new version has all traffic: its share of it, and for how many minutes."""
    found = _SHIFT.search(preference)
    if found is None:
        return []
    kind, percent, minutes = found[1], max(int(found[2]), 1), int(found[3])
    shares = [percent] if kind == "Canary" else range(percent, 100, percent)
    return [(share / 100, minutes) for share in shares]


def no_rollback(subject: Subject) -> Yield:
    """Yield gradual deployments that no alarm stops."""
    for it, deployment, _ in _shifted(subject):
        if deployment.alarms == ():
            what = f"{it.logical_id} shifts traffic, and no alarm rolls it back"
            yield Found(deployment.place, what, (it.logical_id,))


def _alarms(subject: Subject, deployment: Deployment) -> list[Alarm]:
    """Return the alarms of a deployment that the templates show."""
    named = [] if isinstance(deployment.alarms, Unknown) else [str(it) for it in deployment.alarms]
    own = [it for it in subject.survey.alarms if f"${{{it.logical_id}}}" in named or str(it.name) in named]
    return own + [it for survey in subject.others for it in survey.alarms if str(it.name) in named]


def too_slow(subject: Subject) -> Yield:
    """Yield deployments that are over before any of their alarms can fire."""
    for it, deployment, window in _shifted(subject):
        needed = [_seconds(alarm) for alarm in _alarms(subject, deployment)]
        told = isinstance(deployment.alarms, tuple) and len(needed) == len(deployment.alarms)
        if (
            window is not None
            and needed
            and told
            and all(one is not None and one >= window for one in needed)
        ):
            least = min(one for one in needed if one is not None)
            what = f"{it.logical_id} shifts within {window:g} s; its quickest alarm takes {least:g} s to fire"
            yield Found(deployment.place, what, (it.logical_id,))


def _seconds(alarm: Alarm) -> float | None:
    """Return how long an alarm looks before it fires; None where that isn't settled, or other alarms count."""
    periods = [metric.period for metric in alarm.metrics]
    if not periods or not isinstance(alarm.datapoints, float):
        return None
    longest = max((one for one in periods if isinstance(one, float)), default=None)
    return None if longest is None or len(periods) > periods.count(longest) else longest * alarm.datapoints


def old_version(subject: Subject) -> Yield:
    """Yield deployments whose alarms mix the new version's calls with the old one's."""
    for it, deployment, _ in _shifted(subject):
        alarms = _alarms(subject, deployment)
        told = isinstance(deployment.alarms, tuple) and len(alarms) == len(deployment.alarms)
        if alarms and told and not any(_sees_version(alarm) for alarm in alarms):
            what = f"no alarm of {it.logical_id}'s deployment looks at the new version alone"
            yield Found(deployment.place, what, (it.logical_id,))


def _sees_version(alarm: Alarm) -> bool:
    if not alarm.metrics:
        return True  # a composite alarm, a query: what they look at isn't told here
    return any(
        isinstance(metric.dimensions, Unknown) or _VERSION & set(metric.dimensions)
        for metric in alarm.metrics
    )
