"""GPUs as real nvidia-ml-py reads them from a stand-in driver, and CDI specs by which to give them.

The driver's library answers from a file that the tests change while it is loaded.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.host.gpus import GpuReader
from tests.fake_nvml import FakeGpu, FakeNvml, library, write_cdi

NVIDIA_PCI = {"vendor": "0x10de", "class": "0x030000"}


@pytest.fixture
def nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = FakeNvml(tmp_path / "nvml", [FakeGpu("GPU-aa"), FakeGpu("GPU-bb", vram_mb=8192)])
    fake.save()
    monkeypatch.setenv("FAKE_NVML", str(fake.file))
    fake.load()
    return fake


@pytest.fixture
def reader(tmp_path: Path) -> GpuReader:
    write_cdi(tmp_path / "cdi" / "nvidia.json", ["GPU-aa", "GPU-bb"])
    return GpuReader([tmp_path / "cdi"], root=tmp_path)


def put(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n")


def test_everything_the_driver_tells_is_read(nvml: FakeNvml, reader: GpuReader) -> None:
    nvml.processes = [("GPU-aa", 4711, 1000)]
    nvml.change(0, used_mb=1500, utilization=97, milliwatts=123_456, degrees=71, energy_mj=9)
    survey = reader.survey()
    assert survey.findings == ()
    first, second = survey.readings
    gpu = first.gpu
    assert (gpu.key, gpu.uuid, gpu.index) == ("GPU-aa", "GPU-aa", 0)
    assert (gpu.name, gpu.brand) == ("NVIDIA GeForce RTX 3090", "NVIDIA")
    assert (gpu.vram_mb, gpu.cuda_cores, gpu.tensor_cores) == (24_576, 10_496, None)
    assert (gpu.driver_version, gpu.cuda_version) == ("550.54.14", "12.4")
    assert (first.vram_used_mb, first.utilization_percent) == (1500, 97)
    assert (first.power_watts, first.temperature_c, first.energy_mj) == (123.456, 71, 9)
    assert [(p.pid, p.vram_mb) for p in first.processes] == [(4711, 1000)]
    assert first.device == "nvidia.com/gpu=GPU-aa"
    assert (second.gpu.index, second.gpu.vram_mb, second.processes) == (1, 8192, ())


def test_what_the_driver_does_not_answer_is_none(nvml: FakeNvml, reader: GpuReader) -> None:
    nvml.lines = [
        f"mute nvmlDeviceGet{what}"
        for what in ("MemoryInfo", "UtilizationRates", "PowerUsage", "NumGpuCores", "Temperature",
                     "TotalEnergyConsumption", "ComputeRunningProcesses_v3")
    ]  # fmt: skip
    nvml.save()
    survey = reader.survey()
    reading = survey.readings[0]
    assert survey.findings == ()
    assert (reading.gpu.vram_mb, reading.gpu.cuda_cores, reading.vram_used_mb) == (None,) * 3
    assert (reading.utilization_percent, reading.power_watts) == (None, None)
    assert (reading.temperature_c, reading.energy_mj) == (None, None)
    assert reading.processes == ()


def test_half_a_driver_update_is_told_and_its_end_is_noticed(
    nvml: FakeNvml, reader: GpuReader
) -> None:
    assert len(reader.survey().readings) == 2
    nvml.lines = ["error 18"]
    nvml.save()
    survey = reader.survey()
    assert (survey.readings, [f.code for f in survey.findings]) == ((), ["nvidia_mismatch"])
    nvml.lines = []
    nvml.save()
    assert len(reader.survey().readings) == 2


def test_a_card_that_falls_off_the_bus_leaves_the_others(nvml: FakeNvml, reader: GpuReader) -> None:
    nvml.lines = ["lost GPU-aa"]
    nvml.save()
    survey = reader.survey()
    assert [r.gpu.key for r in survey.readings] == ["GPU-bb"]
    assert [f.code for f in survey.findings] == ["nvidia_gpu_lost"]


def test_a_missing_driver_matters_only_where_there_is_a_card(
    nvml: FakeNvml, reader: GpuReader, tmp_path: Path
) -> None:
    nvml.file.unlink()
    assert reader.survey().findings == ()
    put(tmp_path / "sys/bus/pci/devices/0000:01:00.0", NVIDIA_PCI)
    assert [f.code for f in reader.survey().findings] == ["nvidia_not_loaded"]


def test_an_old_driver_tells_what_it_can(nvml: FakeNvml) -> None:
    """In a process of its own, as below: the library of this one is loaded already."""
    nvml.processes = [("GPU-aa", 4711, 1000)]
    nvml.save()
    script = (
        "from appliance.host.gpus import GpuReader; r = GpuReader(()).survey().readings[0]; "
        "print(r.gpu.uuid, r.gpu.cuda_cores, r.processes[0].pid, r.processes[0].vram_mb)"
    )
    environ = {**os.environ, **nvml.environ_of(library(old=True))}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout.split() == ["GPU-aa", "None", "4711", "1000"]


def test_a_machine_without_any_driver_has_no_gpu_and_no_crash() -> None:
    """In a process of its own: a library once loaded stays loaded."""
    script = "from appliance.host.gpus import GpuReader; print(GpuReader(()).survey())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Survey(readings=(")


def test_a_gpu_that_no_spec_names_is_shown_but_can_not_be_given(
    nvml: FakeNvml, reader: GpuReader, tmp_path: Path
) -> None:
    write_cdi(tmp_path / "cdi" / "nvidia.json", ["GPU-aa"])
    survey = reader.survey()
    assert [r.device for r in survey.readings] == ["nvidia.com/gpu=GPU-aa", None]
    assert [(f.code, f.what) for f in survey.findings] == [
        ("gpu_without_cdi", "No CDI spec names GPU 1.")
    ]


def test_a_spec_by_index_will_do(nvml: FakeNvml, reader: GpuReader, tmp_path: Path) -> None:
    write_cdi(tmp_path / "cdi" / "nvidia.json", ["0", "1"])
    assert [r.device for r in reader.survey().readings] == ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]
    assert reader.paths("nvidia.com/gpu=1") == ("/dev/nvidia1", "/dev/nvidiactl")
    assert reader.paths("nvidia.com/gpu=7") == ()


def test_amd_is_read_from_sys(reader: GpuReader, tmp_path: Path, nvml: FakeNvml) -> None:
    card = tmp_path / "sys/class/drm/card1/device"
    put(card, {"vendor": "0x1002", "product_name": "Radeon RX 7900 XTX", "unique_id": "b10c",
               "mem_info_vram_total": str(24 * 2**30), "mem_info_vram_used": str(2**30),
               "gpu_busy_percent": "37"})  # fmt: skip
    put(card / "hwmon/hwmon3", {"power1_average": "84000000", "temp1_input": "52000"})
    put(tmp_path / "sys/class/drm/card1-DP-1", {})
    write_cdi(tmp_path / "cdi" / "amd.json", ["0"], kind="amd.com/gpu")
    amd = reader.survey().readings[2]
    assert (amd.gpu.key, amd.gpu.uuid, amd.gpu.index) == ("AMD-b10c", "AMD-b10c", 2)
    assert (amd.gpu.name, amd.gpu.brand) == ("Radeon RX 7900 XTX", "AMD")
    assert (amd.gpu.vram_mb, amd.vram_used_mb, amd.utilization_percent) == (24_576, 1024, 37)
    assert (amd.power_watts, amd.temperature_c, amd.device) == (84.0, 52, "amd.com/gpu=0")


def test_intel_is_read_from_sys(reader: GpuReader, tmp_path: Path, nvml: FakeNvml) -> None:
    real = tmp_path / "sys/devices/pci0000:00/0000:03:00.0"
    put(real, {"vendor": "0x8086"})
    put(real / "tile0", {"physical_vram_size_bytes": hex(16 * 2**30)})
    card = tmp_path / "sys/class/drm/card0"
    card.mkdir(parents=True)
    (card / "device").symlink_to(real)
    write_cdi(tmp_path / "cdi" / "intel.json", ["card0"], kind="intel.com/gpu")
    intel = reader.survey().readings[2]
    assert (intel.gpu.key, intel.gpu.uuid) == ("0000:03:00.0", None)
    assert (intel.gpu.brand, intel.gpu.vram_mb) == ("Intel", 16_384)
    assert intel.device == "intel.com/gpu=card0"


def test_a_card_of_nobody_we_know_is_left_out(
    reader: GpuReader, tmp_path: Path, nvml: FakeNvml
) -> None:
    put(tmp_path / "sys/class/drm/card0/device", {"vendor": "0x1a03"})
    put(tmp_path / "sys/class/drm/card2/device", {"vendor": "0x1002", "gpu_busy_percent": "x"})
    broken = reader.survey().readings[2:]
    assert [(r.gpu.brand, r.utilization_percent, r.gpu.vram_mb) for r in broken] == [
        ("AMD", None, None)
    ]
