"""Settings: one name everywhere, one order of precedence, every error at once."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from appliance.config import (
    Address,
    Settings,
    SettingsError,
    find_data_dir,
    flag,
    in_force,
    load,
    variable,
)
from appliance.config.load import SETTINGS, SOCKET_PATH_BYTES
from appliance.runtime.home import PodmanHome
from appliance.runtime.service import PodmanService

RIGHT = {
    "data_dir": "/srv/a",
    "listen_http": "[::1]:9000",
    "listen_https": "0.0.0.0:443",
    "max_connections": "5000",
    "max_connections_per_address": "50",
    "domain": "Box.Example.org",
    "tls_cert": "/srv/cert.pem",
    "tls_key": "/srv/key.pem",
    "listen_tcp": "[::]",
    "tcp_ports": "30000-30009",
    "node_name": "attic",
    "region": "home",
    "country": "de",
    "hourly_rate_cents": "150",
    "gpu_hourly_rate_cents": "50",
    "energy_cents_per_kwh": "30",
    "max_deployments": "7",
    "cdi_dirs": "/srv/cdi:/etc/cdi",
    "podman_url": "unix:///run/podman/podman.sock",
    "podman_root": "/srv/podman",
    "network_pool": "10.99.0.0/16",
    "registry_auth_file": "/srv/auth.json",
    "pull_stall_s": "5",
    "pull_total_s": "50",
    "stop_grace_s": "0",
    "wake_hold_s": "90",
    "drain_s": "0",
    "log_level": "DEBUG",
}
COMPANIONS = {"tls_key": {"tls_cert": "/srv/cert.pem"}}
"""What a setting means nothing without."""

WRONG = {
    "listen_http": ["8080", "localhost:8080", "127.0.0.1:99999", "127.0.0.1:x"],
    "listen_https": ["0.0.0.0", "example.org:443", "0.0.0.0:-1"],
    "max_connections": ["9"],
    "max_connections_per_address": ["0"],
    "domain": ["-a.org", "a..b", "x" * 300, "a_b"],
    "listen_tcp": ["localhost", "0.0.0.0:5432", "*"],
    "tcp_ports": ["20000", "20001-20000", "0-100", "20000-99999", "a-b"],
    "node_name": ["", " ", "a\nb", "x" * 65],
    "region": ["x" * 65],
    "country": ["Germany", "D1"],
    "hourly_rate_cents": ["-1", "1.5", "1e3", "1000001", "９"],
    "gpu_hourly_rate_cents": ["-1", "free"],
    "energy_cents_per_kwh": ["-1", "0.3"],
    "max_deployments": ["0", "many"],
    "podman_url": ["ssh://root@host/run/podman.sock", "unix://podman.sock", "tcp://host"],
    "network_pool": ["10.210.0.0", "8.8.0.0/16", "10.0.0.0/4", "10.1.0.1/16", "10.1.2.0/25"],
    "pull_stall_s": ["0"],
    "pull_total_s": ["0"],
    "stop_grace_s": ["601"],
    "wake_hold_s": ["0", "3601"],
    "drain_s": ["-1"],
    "log_level": ["loud"],
}


def write_toml(data_dir: Path, text: str) -> None:
    (data_dir / "appliance.toml").write_text(text)


def problems_of(flags: dict[str, str | None], environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(flags, environ)
    return [str(p) for p in caught.value.problems]


def test_without_any_source_the_defaults_hold(tmp_path: Path) -> None:
    assert load({"data_dir": str(tmp_path)}, {}) == Settings(data_dir=tmp_path)
    assert str(Settings(data_dir=tmp_path).listen_http) == "127.0.0.1:8080"
    assert Settings(data_dir=tmp_path).network_pool == IPv4Network("10.210.0.0/16")


def test_a_flag_beats_a_variable_beats_the_file(tmp_path: Path) -> None:
    write_toml(tmp_path, 'region = "file"\ncountry = "FR"\nhourly_rate_cents = 1\n')
    environ = {"APPLIANCE_REGION": "variable", "APPLIANCE_COUNTRY": "ES"}
    settings = load({"data_dir": str(tmp_path), "region": "flag", "country": None}, environ)
    assert (settings.region, settings.country, settings.hourly_rate_cents) == ("flag", "ES", 1)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_read_from_a_flag_and_from_its_variable(name: str) -> None:
    given = {"data_dir": "/srv/a", **COMPANIONS.get(name, {}), name: RIGHT[name]}
    by_flag = load(given, {})
    by_variable = load({}, {variable(key): text for key, text in given.items()})
    assert by_flag == by_variable
    default = SETTINGS[name].default
    assert getattr(by_flag, name) != default


@pytest.mark.parametrize("name", [n for n in SETTINGS if n != "data_dir"])
def test_every_setting_but_the_data_directory_is_read_from_the_file(
    name: str, tmp_path: Path
) -> None:
    given = {**COMPANIONS.get(name, {}), name: RIGHT[name]}
    write_toml(tmp_path, "".join(f'{key} = "{text}"\n' for key, text in given.items()))
    in_file = load({"data_dir": str(tmp_path)}, {})
    assert getattr(in_file, name) == getattr(load({"data_dir": "/", **given}, {}), name)


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in WRONG.items() for t in texts])
def test_a_wrong_value_is_refused_with_its_key_what_it_was_and_what_it_may_be(
    name: str, text: str
) -> None:
    (problem,) = problems_of({"data_dir": "/srv/a", name: text}, {})
    assert problem.startswith(f"{flag(name)}: {text!r} must be ")


def test_all_errors_of_all_sources_are_reported_at_once(tmp_path: Path) -> None:
    write_toml(tmp_path, "stop_grace = 3\nmax_deployments = true\npull_total_s = -1\n")
    environ = {"APPLIANCE_LISTEN_HTTP": "box:1", "APPLIANCE_COUNTY": "DE"}
    told = "\n".join(problems_of({"data_dir": str(tmp_path), "log_level": "loud"}, environ))
    for part in (
        "APPLIANCE_COUNTY: 'DE' is not a setting; did you mean APPLIANCE_COUNTRY?",
        "stop_grace in ",
        "is not a setting; did you mean stop_grace_s?",
        "max_deployments in ",
        "APPLIANCE_LISTEN_HTTP: 'box:1' must be an IP address",
        "pull_total_s in ",
        "--log-level: 'loud' must be one of debug, info, warning, error",
    ):
        assert part in told
    assert len(told.splitlines()) == 6


def test_a_key_without_its_certificate_is_refused() -> None:
    (problem,) = problems_of({"data_dir": "/a", "tls_key": "/srv/key.pem"}, {})
    assert problem == "--tls-key: '/srv/key.pem' needs tls_cert beside it"


def test_variables_for_the_command_line_are_no_unknown_settings(tmp_path: Path) -> None:
    environ = {"APPLIANCE_URL": "http://box", "APPLIANCE_TOKEN": "nn_a_b", "PATH": "/bin"}
    assert load({"data_dir": str(tmp_path)}, environ) == Settings(data_dir=tmp_path)


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    settings = load({"data_dir": str(tmp_path)}, {"APPLIANCE_REGION": ""})
    assert settings.region is None


def test_a_file_that_is_no_toml_is_named_with_the_line(tmp_path: Path) -> None:
    write_toml(tmp_path, "region = \n")
    (problem,) = problems_of({"data_dir": str(tmp_path)}, {})
    assert "appliance.toml" in problem
    assert "line 1" in problem


def test_the_file_cannot_move_the_data_directory(tmp_path: Path) -> None:
    write_toml(tmp_path, 'data_dir = "/elsewhere"\n')
    (problem,) = problems_of({"data_dir": str(tmp_path)}, {})
    assert "APPLIANCE_DATA_DIR" in problem


def test_a_data_directory_too_deep_for_unix_sockets_is_refused() -> None:
    (problem,) = problems_of({"data_dir": "/" + "d" * 100}, {})
    assert "too long for the unix sockets" in problem


def test_podmans_socket_is_the_longest_that_the_deepest_data_directory_has_room_for() -> None:
    deepest = "/" + "d" * 87
    settings = load({"data_dir": deepest}, {})
    home = PodmanHome(settings.podman_dir, settings.podman_root, settings.network_pool)
    service = PodmanService(home, {})
    assert len(service.url.removeprefix("unix://")) == SOCKET_PATH_BYTES
    assert "is 1 bytes too long" in problems_of({"data_dir": deepest + "d"}, {})[0]


def test_podman_is_found_by_container_host_unless_we_are_told_otherwise() -> None:
    host = {"CONTAINER_HOST": "unix:///run/host.sock"}
    assert load({"data_dir": "/a"}, host).podman_url == "unix:///run/host.sock"
    told = load({"data_dir": "/a", "podman_url": "unix:///run/told.sock"}, host)
    assert told.podman_url == "unix:///run/told.sock"
    assert load({"data_dir": "/a", "podman_root": "/b"}, host).podman_url is None


def test_a_container_host_we_cannot_speak_to_is_named() -> None:
    (problem,) = problems_of({"data_dir": "/a"}, {"CONTAINER_HOST": "ssh://box/podman.sock"})
    assert problem.startswith("CONTAINER_HOST: 'ssh://box/podman.sock' must be unix://")


def test_a_storage_of_our_own_and_a_foreign_service_exclude_each_other() -> None:
    flags: dict[str, str | None] = {"data_dir": "/a", "podman_root": "/b"}
    (problem,) = problems_of({**flags, "podman_url": "unix:///c"}, {})
    assert problem.startswith("--podman-root: '/b' means nothing beside podman_url")


def test_a_relative_data_directory_is_taken_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({"data_dir": "data"}, {}).data_dir == tmp_path / "data"


def test_a_user_gets_a_data_directory_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/ada")
    assert find_data_dir(None, {}) == Path("/home/ada/.local/share/appliance")
    assert find_data_dir(None, {"XDG_DATA_HOME": "/x"}) == Path("/x/appliance")


def test_root_has_the_machines_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert find_data_dir(None, {}) == Path("/var/lib/appliance")


def test_everything_derived_lives_in_the_data_directory(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    derived = {
        settings.database,
        settings.lock,
        settings.control_socket,
        settings.secret_key,
        settings.auth_file,
        settings.podman_dir,
        settings.tls_dir,
        settings.templates_dir,
    }
    assert {path.parent for path in derived} == {tmp_path}
    assert len(derived) == 8


def test_an_address_is_written_as_it_is_read() -> None:
    assert str(Address("::1", 80)) == "[::1]:80"
    assert str(Address("127.0.0.1", 80)) == "127.0.0.1:80"


def test_each_setting_tells_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text('region = "home"\ncountry = "DE"\n')
    environ = {variable("data_dir"): str(tmp_path), variable("country"): "FR",
               "CONTAINER_HOST": "unix:///x.sock"}  # fmt: skip
    settings = load({"domain": "box.example"}, environ)
    found = {s.name: (s.value, s.source) for s in in_force(settings, environ)}
    assert found.keys() == SETTINGS.keys()
    assert found["data_dir"] == (str(tmp_path), "APPLIANCE_DATA_DIR")
    assert found["region"] == ("home", f"region in {tmp_path / 'appliance.toml'}")
    assert found["country"] == ("FR", "APPLIANCE_COUNTRY")
    assert found["domain"] == ("box.example", "--domain")
    assert found["podman_url"] == ("unix:///x.sock", "CONTAINER_HOST")
    assert found["listen_http"] == ("127.0.0.1:8080", "default")
    assert found["node_name"] == (None, "default")


def test_every_default_is_shown_as_it_would_be_written(tmp_path: Path) -> None:
    shown = {s.name: s.value for s in in_force(Settings(data_dir=tmp_path), {})}
    assert shown["tcp_ports"] == "20000-20099"
    assert shown["cdi_dirs"] == "/etc/cdi:/var/run/cdi"
    texts = {name: text for name, text in shown.items() if text is not None}
    for name, text in texts.items():
        assert SETTINGS[name].metadata["parser"](text) == getattr(Settings(data_dir=tmp_path), name)
