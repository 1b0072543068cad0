"""Container images: the Dockerfiles are linted, and their instructions carried out by hand, for lack of Docker.

AWS's base image is played by an environment with the runtime client, pip and the SDK; that /opt/python is on its path isn't tried.
"""

import json
import re
import shutil

import pytest

from .conftest import LAYER, RUNTIME, assert_answers


class Image:
    """What a Dockerfile makes, in a folder.

    Attributes:
        root: the folder that is `/`; all stages share it.
        python: the interpreter of the base image.
        command: what `CMD` says.
    """

    def __init__(self, project, dockerfile, root):
        self.root, self.python, self.command = root, root / "python" / "bin" / "python", None
        self._project = project
        project.run("uv", "venv", "--quiet", "--seed", "--python", str(RUNTIME), str(root / "python"))
        project.run("uv", "pip", "install", "--quiet", "--python", str(self.python), "awslambdaric", "boto3")
        self._path = root / "var" / "task"
        self._path.mkdir(parents=True)
        for line in (project.folder / dockerfile).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                instruction, _, rest = line.partition(" ")
                getattr(self, f"_{instruction.lower()}")(rest)

    def _from(self, rest):
        assert rest.startswith(f"public.ecr.aws/lambda/python:{self._project.python}")

    def _copy(self, rest):
        source, target = rest.removeprefix("--from=layer ").split()
        if rest.startswith("--from"):
            assert self._inside(source).is_dir()
            assert source == target
        else:
            folder = self._inside(target)
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._project.folder / source, folder)

    def _inside(self, path):
        return self.root / path.replace("${LAMBDA_TASK_ROOT}", "/var/task").lstrip("/")

    def _run(self, rest):
        script = re.sub(r" (/(?:tmp|opt)\b)", rf" {self.root}\1", rest)
        path = f"{self.python.parent}:/usr/bin:/bin"
        self._project.run("sh", "-e", "-c", f"cd {self._path} && {script}", PATH=path)

    def _cmd(self, rest):
        [self.command] = json.loads(rest)


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "layer.Dockerfile"])
def test_it_is_linted(project, dockerfile):
    """Hadolint finds nothing."""
    assert project.run("hadolint", dockerfile) == ""


def test_a_dependency(project, tmp_path):
    """What requirements.txt asks for is installed into the image's own Python."""
    image = Image(project, "Dockerfile", tmp_path)
    code = image.root / "var" / "task"
    assert (code / "requirements.txt").exists()
    assert_answers(code, image.python, image.command)


def test_the_layers_content(project, tmp_path):
    """The layer's content is at its place, and what the handler imports."""
    shutil.copy(LAYER, project.folder / "lambda-guard-layer.zip")
    image = Image(project, "layer.Dockerfile", tmp_path)
    code = image.root / "var" / "task"
    assert [path.name for path in code.iterdir()] == ["app.py"]
    assert_answers(code, image.python, image.command, layers=(image.root / "opt",))
