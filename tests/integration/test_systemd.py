"""systemd/precomplaint.service: read by systemd's own tools, and run for real in a container that systemd boots."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.mqtt_peers import need

ROOT = Path(__file__).parent.parent.parent
UNIT = ROOT / "systemd" / "precomplaint.service"


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze."""
    return subprocess.run([need("systemd-analyze"), *arguments], capture_output=True, text=True, check=False)


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    """Unknown keys and bad values are warnings on standard error; there are none."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/precomplaint/bin/precomplaint", "/bin/true"))

    found = analyze("verify", str(unit))

    assert (found.returncode, found.stderr) == (0, "")


def test_the_unit_gives_little_away() -> None:
    """Systemd's own rating of its exposure is 2.0 of 10 or less."""
    found = analyze("security", "--offline=true", "--threshold=20", str(UNIT))

    assert found.returncode == 0, found.stdout


PROBE = """
[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
Environment={environment}
ExecStart={python} /opt/source/tests/integration/systemd_probe.py
StandardError=file:/out/stderr
"""

QUICK = """
[Service]
WatchdogSec=15
TimeoutAbortSec=2
"""


def container(folder: Path) -> list[str]:
    """Boot the host's /usr with an empty /etc and /var, our program under /opt, and a unit that probes ours."""
    # A Python of its own, and the packages, lie wherever they lie; /home and /root are hidden from the unit.
    own = sys.base_prefix != "/usr"
    python = f"/opt/python/bin/{Path(sys.executable).resolve().name}" if own else "/usr/bin/python3"
    home = "PYTHONHOME=/opt/python LD_LIBRARY_PATH=/opt/python/lib " if own else ""
    environment = f"{home}PYTHONPATH=/opt/source:/opt/packages PYTHONDONTWRITEBYTECODE=1"
    command = folder / "bin" / "precomplaint"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexport {environment}\nexec {python} -m daemon "$@"\n')
    command.chmod(0o755)
    (folder / "probe.service").write_text(PROBE.format(environment=environment, python=python))
    (folder / "quick.conf").write_text(QUICK)
    (folder / "00.preset").write_text("disable precomplaint.service\n")
    (folder / "out").mkdir()
    binds = {
        ROOT: "/opt/source",
        Path(sysconfig.get_path("purelib")): "/opt/packages",
        command.parent: "/opt/precomplaint/bin",
        UNIT: "/etc/systemd/system/precomplaint.service",
        folder / "probe.service": "/etc/systemd/system/probe.service",
        folder / "00.preset": "/etc/systemd/system-preset/00.preset",
        folder / "quick.conf": "/etc/systemd/system/precomplaint.service.d/quick.conf",
        **({Path(sys.base_prefix): "/opt/python"} if own else {}),
    }
    return [
        *(need("systemd-nspawn"), "-D", "/", "--volatile=yes", "-M", f"precomplaint-{os.getpid()}", "--boot"),
        *("--register=no", "--keep-unit", "--private-network", "--console=pipe", "--kill-signal=SIGKILL"),
        *(f"--bind-ro={here}:{there}" for here, there in binds.items()),
        f"--bind={folder / 'out'}:/out",
        "systemd.mask=systemd-networkd-wait-online.service",  # there is no network to wait for
        "systemd.wants=probe.service",
    ]


@pytest.mark.slow
@pytest.mark.integration
def test_the_unit_runs_as_the_install_note_says(tmp_path: Path) -> None:
    """READY, an order sent with the token from a credential, a watchdog fed by ticks, restarts, a clean stop."""
    if os.geteuid() != 0:
        pytest.skip("booting a container needs root")
    command = container(tmp_path)

    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as booted:
        try:
            said, _ = booted.communicate(timeout=150)
        except subprocess.TimeoutExpired:
            booted.terminate()  # which kills what it has booted
            said, _ = booted.communicate()

    file = tmp_path / "out" / "facts.json"
    assert file.exists(), said[-3000:]
    facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert "error" not in facts, f"{facts['error']}\n{facts['log']}"
    assert facts["check"].startswith("OK")
    assert facts["user"] == "precomplaint"
    assert facts["orders"] == ["elv.safety.chain"]
    assert facts["status"]["orders"] == {"sent": 1}
    assert facts["socket"] == [0o660, 0o750]
    assert {"state.db", "lock", "progress"} <= set(facts["state"])
    assert "readings received" in facts["status_line"]
    assert facts["end"] == {"Result": "success", "ExecMainStatus": "0", "ActiveState": "inactive"}
    assert '"event": "reloaded"' in facts["log"]
    shutil.rmtree(tmp_path / "out")
