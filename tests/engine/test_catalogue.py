"""The catalogue: what is packaged is right, and what is wrong is told with file and field."""

import re
from pathlib import Path

import pytest

from appliance.domain.deployment import Access, HealthCheck, Port, Protocol, Resources, Volume
from appliance.domain.template import (
    GpuWish,
    Soften,
    Template,
    TemplateParameter,
    TemplateVariable,
)
from appliance.engine.catalogue import PACKAGED_TEMPLATES, Catalogue
from appliance.ingress.paths import leads_to

EXPECTED_IDS = {
    "code-server", "comfyui", "invoke", "jupyterlab", "llama-cpp", "localai", "n8n", "nginx",
    "ollama", "open-webui", "postgres", "qdrant", "redis", "speaches", "vllm", "welcome",
}  # fmt: skip
WITHOUT_LOGIN = {
    "comfyui", "invoke", "llama-cpp", "localai", "ollama", "qdrant", "redis", "speaches", "vllm",
}  # fmt: skip

MINIMAL = """
id = "tiny"
name = "Tiny"
description = "The least a template may be."
category = "demo"
image = "docker.io/library/tiny:1"
access = "public"
"""

FULL = """
id = "full"
name = "Full"
description = "Every field there is."
category = "demo"
image = "registry.example:5000/team/full@sha256:{digest}"
command = ["serve", "--fast"]
access = "private"

[[ports]]
port = 8080
protocol = "tcp"
name = "api"

[[env]]
name = "TOKEN"
description = "A secret."
default = "x"
required = true
secret = true

[[parameters]]
name = "MODELS"
description = "What to fetch."
command = ["fetch", "{{value}}"]
separator = ";"

[[volumes]]
name = "data"
path = "/data"

[resources]
cpus = 1.5
memory_mb = 512
shm_mb = 64
gpus = 1

[gpu]
required = true
min_vram_mb = 2048

[health]
path = "/healthz?deep=1"
port = 8080
start_period_s = 5

[soften]
command = ["give", "back"]
undo = ["take", "back"]
""".format(digest="0" * 64)


def load(folder: Path, **files: str) -> Catalogue:
    for stem, text in files.items():
        (folder / f"{stem}.toml").write_text(text)
    return Catalogue.load(folder, None)


def problem(folder: Path, text: str) -> tuple[str, str]:
    (found,) = load(folder, tiny=text).problems
    assert found.file == str(folder / "tiny.toml")
    return found.field, found.message


def test_every_packaged_template_is_right() -> None:
    catalogue = Catalogue.load(PACKAGED_TEMPLATES, None)
    assert catalogue.problems == ()
    assert {t.id for t in catalogue.all()} >= EXPECTED_IDS


def test_packaged_templates_without_a_login_are_private() -> None:
    catalogue = Catalogue.load(PACKAGED_TEMPLATES, None)
    private = {t.id for t in catalogue.all() if t.access is Access.PRIVATE}
    assert private >= WITHOUT_LOGIN


def test_ollama_takes_the_seeds_list_of_models_as_a_parameter() -> None:
    ollama = Catalogue.load(PACKAGED_TEMPLATES, None).get("ollama")
    assert ollama is not None
    (models,) = ollama.parameters
    assert (models.name, models.command) == ("OLLAMA_MODELS", ("ollama", "pull", "{value}"))
    assert "OLLAMA_MODELS" not in {v.name for v in ollama.env}


def test_every_field_reaches_the_template(tmp_path: Path) -> None:
    assert load(tmp_path, full=FULL).get("full") == Template(
        id="full",
        name="Full",
        description="Every field there is.",
        category="demo",
        image="registry.example:5000/team/full@sha256:" + "0" * 64,
        command=("serve", "--fast"),
        ports=(Port(8080, Protocol.TCP, "api"),),
        env=(TemplateVariable("TOKEN", "A secret.", "x", required=True, secret=True),),
        parameters=(TemplateParameter("MODELS", "What to fetch.", ("fetch", "{value}"), ";"),),
        volumes=(Volume("data", "/data"),),
        resources=Resources(cpus=1.5, memory_mb=512, shm_mb=64, gpus=1),
        gpu=GpuWish(required=True, min_vram_mb=2048),
        health=HealthCheck("/healthz?deep=1", 8080, 5),
        access=Access.PRIVATE,
        soften=Soften(("give", "back"), ("take", "back")),
    )


def test_of_a_template_only_some_paths_may_be_open(tmp_path: Path) -> None:
    tiny = load(tmp_path, tiny=MINIMAL + 'paths = ["/v1/", "/health"]').get("tiny")
    assert tiny is not None
    assert tiny.paths == ("/v1/", "/health")


def test_what_runs_vllm_as_it_is_told_is_not_open() -> None:
    """Its development mode, which its sleep takes, opens these (vLLM's docs/usage/security.md)."""
    vllm = Catalogue.load(PACKAGED_TEMPLATES, None).get("vllm")
    assert vllm is not None
    assert vllm.soften is not None
    assert vllm.soften.undo is not None
    assert "--enable-sleep-mode" in (vllm.command or ())
    shut = ("/collective_rpc", "/sleep", "/wake_up", "/pause", "/update_weights", "/server_info")
    assert not any(leads_to(vllm.paths, path.encode()) for path in shut)
    assert leads_to(vllm.paths, b"/v1/chat/completions")


def test_templates_come_in_the_order_of_their_ids(tmp_path: Path) -> None:
    other = MINIMAL.replace('"tiny"', '"alpha"')
    catalogue = load(tmp_path, tiny=MINIMAL, alpha=other)
    assert [t.id for t in catalogue.all()] == ["alpha", "tiny"]
    assert catalogue.get("beta") is None


def test_the_owners_template_wins_by_id(tmp_path: Path) -> None:
    (tmp_path / "nginx.toml").write_text(MINIMAL.replace('"tiny"', '"nginx"'))
    catalogue = Catalogue.load(PACKAGED_TEMPLATES, tmp_path)
    nginx = catalogue.get("nginx")
    assert nginx is not None
    assert nginx.name == "Tiny"
    assert {t.id for t in catalogue.all()} >= EXPECTED_IDS


def test_a_bad_file_of_the_owners_leaves_the_packaged_template(tmp_path: Path) -> None:
    (tmp_path / "nginx.toml").write_text(MINIMAL.replace('"tiny"', '"nginx"') + "ports = 80")
    catalogue = Catalogue.load(PACKAGED_TEMPLATES, tmp_path)
    nginx = catalogue.get("nginx")
    assert nginx is not None
    assert nginx.name == "nginx"
    assert [(p.file, p.field) for p in catalogue.problems] == [
        (str(tmp_path / "nginx.toml"), "ports")
    ]


def test_a_folder_that_is_not_there_is_no_problem(tmp_path: Path) -> None:
    catalogue = Catalogue.load(tmp_path, tmp_path / "none")
    assert (catalogue.all(), catalogue.problems) == ((), ())


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("not a template")
    assert load(tmp_path, tiny=MINIMAL).problems == ()


@pytest.mark.parametrize(
    ("added", "field", "words"),
    [
        ('colour = "red"', "colour", "it may be id, name, description"),
        ('[[ports]]\nport = 1\nproto = "tcp"', "ports.0.proto", "it may be port, protocol, name"),
        ("[[ports]]\nport = 70000", "ports.0.port", "less than or equal to 65535, not 70000"),
        ('[[ports]]\nport = "80"', "ports.0.port", "valid integer, not '80'"),
        ('[[ports]]\nport = 80\nprotocol = "udp"', "ports.0.protocol", "'http' or 'tcp'"),
        ("[[ports]]\nport = 80\n[[ports]]\nport = 80", "ports", "80 stands there 2 times"),
        ('[[env]]\nname = "A B"', "env.0.name", "letters, digits, _, . and -"),
        ('[[env]]\ndescription = "x"', "env.0.name", "must be given"),
        ('[[volumes]]\nname = "d"\npath = "data"', "volumes.0.path", "an absolute path"),
        ("[resources]\ncpus = inf", "resources.cpus", "finite"),
        ("[gpu]\nrequired = true", "resources.gpus", "at least 1"),
        ('[health]\npath = "/"\nport = 81', "health.port", "one of the ports"),
        ('[health]\npath = "/"', "health.port", "one of the ports"),
        ('paths = ["v1"]', "paths.0", "a plain path"),
        ('paths = ["/v1/../sleep"]', "paths.0", "a plain path"),
        ('paths = ["/"]', "paths.0", "a plain path"),
        ('paths = ["/a"]\n[[ports]]\nport = 1\nprotocol = "tcp"', "paths", "on a raw port"),
        ("[soften]\nundo = ['x']", "soften.command", "must be given"),
        (
            '[[parameters]]\nname = "M"\ndescription = "m"\ncommand = ["pull"]',
            "parameters.0.command",
            "must hold {value}",
        ),
    ],
)
def test_a_wrong_field_is_named_with_what_it_may_be(
    tmp_path: Path, added: str, field: str, words: str
) -> None:
    where, message = problem(tmp_path, MINIMAL + added)
    assert where == field
    assert words in message


@pytest.mark.parametrize("image", ["nginx", "nginx:1", "library/nginx:1", "docker.io/library/x"])
def test_an_image_that_is_not_fully_named_is_refused(tmp_path: Path, image: str) -> None:
    field, message = problem(tmp_path, MINIMAL.replace("docker.io/library/tiny:1", image))
    assert (field, "a full reference" in message) == ("image", True)


def test_every_wrong_field_is_told_at_once(tmp_path: Path) -> None:
    text = MINIMAL.replace('"demo"', "7").replace('"public"', '"everybody"')
    problems = load(tmp_path, tiny=text).problems
    assert [p.field for p in problems] == ["category", "access"]
    assert str(problems[0]).startswith(f"{tmp_path / 'tiny.toml'}: category: ")


def test_an_id_other_than_the_files_name_is_refused(tmp_path: Path) -> None:
    (found,) = load(tmp_path, big=MINIMAL).problems
    assert (found.field, found.message) == ("id", "must be the file's name, not 'tiny'")


@pytest.mark.parametrize("content", [b"id = ", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_a_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.toml").write_bytes(content)
    (found,) = Catalogue.load(tmp_path, None).problems
    assert found.message.startswith("is not TOML: ")


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (found,) = Catalogue.load(tmp_path, None).problems
    assert found.message == "can't be read: Is a directory"


def test_the_template_that_the_readme_shows_is_one(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    [shown] = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "elasticsearch.toml").write_text(shown)
    template = Catalogue.load(PACKAGED_TEMPLATES, tmp_path).get("elasticsearch")
    assert template is not None
    assert (template.ports, template.resources.memory_mb) == ((Port(9200),), 4096)
