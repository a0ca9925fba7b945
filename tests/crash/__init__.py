"""The crash run: the daemon is killed again and again under load, and everything is counted from outside.

    load (QoS 1) ──> broker ──> daemon ──> InfluxDB stand-in ──┐
    pump room ──Modbus────────> (SIGKILL) ─> ticketing stand-in ┤
      │                                                        v
      └── what was acknowledged, what the script opens ──> exact multisets compared

`python -m tests.crash --kills 200` prints one line of figures and ends with 1 when any of them is wrong.

`python -m tests.crash scenarios` does it with the life of work orders, on a clock that is stepped:

    plays: what happens, hour by hour ──> stage: boxes, persons, peers ──> kept: a gateway, started again after a kill
    timelines: what must come of it  <──> account: what did             <── nursery ─ fork ─> stepped: the daemon
    matrix: every play, every moment of daemon.commitpoints             faults: what it must find
"""
