"""Code that a tool has packaged beside the template: where the file is that the template expects in S3.

The AWS CDK: a manifest of assets, https://docs.aws.amazon.com/cdk/v2/guide/assets.html; the Serverless Framework: a zip
archive by the name that its key ends with.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def packaged(directory: Path, key: Any) -> Path | None:
    """Return the file or directory that a tool would upload to S3 under a key; None where it has none.

    Args:
        directory: of the template.
        key: as the template has it.
    """
    if not isinstance(key, str) or not key:
        return None
    for path, keys in _assets(directory):
        if key in keys:
            return path
    archive = directory / key.rpartition("/")[2]
    return archive if archive.suffix in {".zip", ".jar"} and archive.is_file() else None


def _assets(directory: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield the assets of a cloud assembly with the keys that they have in S3."""
    for manifest in sorted(directory.glob("*.assets.json")):
        try:
            for asset in json.loads(manifest.read_text(encoding="utf-8"))["files"].values():
                keys = {place["objectKey"] for place in asset["destinations"].values()}
                yield directory / asset["source"]["path"], keys
        except (
            OSError,
            ValueError,
            LookupError,
            AttributeError,
            TypeError,
        ):  # of another tool, or of another version
            continue
