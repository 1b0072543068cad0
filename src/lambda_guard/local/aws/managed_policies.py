"""AWS's managed policies, as moto keeps them."""

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any


def managed_policy(arn: str) -> Any:
    """Return the document of a managed policy of AWS, by its ARN or its name alone; None for one that moto hasn't."""
    policy = _all().get(arn.rpartition("/")[2])
    return None if policy is None else policy["Document"]


@cache
def _all() -> dict[str, Any]:
    """Read moto's file without moto, whose import takes a second."""
    moto = importlib.util.find_spec("moto")
    assert moto is not None
    assert moto.origin is not None
    path = Path(moto.origin).parent / "iam" / "aws_managed_policies.py"
    spec = importlib.util.spec_from_file_location("aws_managed_policies", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    policies: dict[str, Any] = json.loads(module.aws_managed_policies_data)
    return policies
