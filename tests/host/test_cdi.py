"""CDI specs as Podman would take them."""

from pathlib import Path

from appliance.host.cdi import read_registry
from tests.fake_nvml import write_cdi

YAML = """
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
- name: all
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
containerEdits:
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  deviceNodes:
  - path: /dev/nvidiactl
  hooks:
  - hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
"""


def test_yaml_and_json_name_devices_and_their_nodes(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").write_text(YAML)
    write_cdi(tmp_path / "other.json", ["x"], kind="amd.com/gpu")
    registry = read_registry([tmp_path])
    assert registry.faults == ()
    assert sorted(registry.devices) == ["amd.com/gpu=x", "nvidia.com/gpu=0", "nvidia.com/gpu=all"]
    assert registry.devices["nvidia.com/gpu=0"].paths == ("/dev/nvidia0", "/dev/nvidiactl")


def test_a_later_folder_wins(tmp_path: Path) -> None:
    write_cdi(tmp_path / "etc/a.json", ["x"])
    write_cdi(tmp_path / "run/b.json", ["y", "x"])
    registry = read_registry([tmp_path / "etc", tmp_path / "run", tmp_path / "gone"])
    assert registry.devices["nvidia.com/gpu=x"].paths == ("/dev/nvidia1", "/dev/nvidiactl")
    assert registry.faults == ()


def test_a_name_twice_in_one_folder_is_nobodys(tmp_path: Path) -> None:
    write_cdi(tmp_path / "a.json", ["x", "y"])
    write_cdi(tmp_path / "b.json", ["x"])
    registry = read_registry([tmp_path])
    assert sorted(registry.devices) == ["nvidia.com/gpu=y"]
    assert registry.faults == (f"nvidia.com/gpu=x stands in two files of {tmp_path}",)


def test_a_file_that_is_no_spec_is_told_and_left_out(tmp_path: Path) -> None:
    for name, text in {
        "list.json": "[]",
        "broken.json": "{",
        "broken.yaml": "a: [",
        "kindless.json": '{"cdiVersion": "0.5.0", "devices": []}',
        "versionless.json": '{"kind": "a.com/b", "devices": []}',
        "odd.json": '{"cdiVersion": "0.5.0", "kind": "a.com/b", "devices": [7]}',
        "binary.json": "\udcff",
        "ignored.txt": "{",
    }.items():
        (tmp_path / name).write_text(text, errors="surrogateescape")
    registry = read_registry([tmp_path])
    assert registry.devices == {}
    assert len(registry.faults) == 7
    assert all("is no CDI spec" in fault for fault in registry.faults)
