"""What is beneath a delegated job goes away: the engine, the network, memory,
the disk, an image, the runner. Each time the runner is told the truth, no
step runs twice or elsewhere, and nothing stays. The hub's own death is in
test_session_faults.py, test_hook_hub.py and test_worker_relay.py."""

import os
from typing import Iterator

import pytest

from cable import Cable
from fault_lab import (HEALTH, LINES, NOISE, STEPS, CabledHub, EngineCable, Step,
                       await_health, check_ended, check_nothing_made, container_step,
                       make_ready, script_step, service, sessions, slow_service)
from hook_runner import Runner, ThroughHub, hook, runners  # noqa: F401
from hub import Hub, wait_for
from relay_lab import frames, job, last_job, when
from relay_lab import make_runner as make_relay  # noqa: F401
from relay_lab import worker_image  # noqa: F401
from survival import wait_dead
from test_full_disk import Disk


# -- what the tests stand on -----------------------------------------------------------


@pytest.fixture(scope="module")
def cabled_engine(engine) -> Iterator[EngineCable]:
    cabled = EngineCable(engine)
    yield cabled
    cabled.cable.close()


@pytest.fixture(scope="module")
def hub(make_module_hub, cabled_engine) -> Hub:
    return make_module_hub({"DOCKER_HOST": cabled_engine.cable.url,
                            "RUNNERHUB_RETRY_BACKOFF": "10ms",
                            "RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()


@pytest.fixture
def cable(hub) -> Iterator[Cable]:
    """Between a runner and the hub."""
    cable = Cable(("127.0.0.1", hub.port))
    yield cable
    cable.close()


@pytest.fixture
def runner(hook, engine, hub, cable) -> Iterator[Runner]:  # noqa: F811
    making = runners(hook, engine, CabledHub(hub, cable))
    yield next(making)()
    cable.mend()
    next(making, None)


def wait_engine(hub: Hub, up: bool) -> None:
    wait_for(lambda: (hub.get("/health").json["checks"]["engine"] == "pass") == up,
             what=f"the engine is {'up' if up else 'down'}")


# -- the engine ------------------------------------------------------------------------


@pytest.mark.parametrize("begin", STEPS)
def test_an_engine_that_ends_the_containers(runner, hub, image, cabled_engine, begin) -> None:
    runner.prepare(runner.container(image)).ok()
    step = begin(runner, image).wait_begun()
    cabled_engine.restart(hub)
    told = step.end()
    assert told.code not in (0, 9) and "::error::" in told.output, told.output[-500:]
    assert "engine was restarted" in told.output or "engine went away" in told.output, (
        told.output[-500:])
    assert step.count == 1
    check_ended(runner, "engine_restarted")
    runner.cleanup().ok()


@pytest.mark.parametrize("begin", STEPS)
def test_an_engine_that_keeps_them(runner, hub, image, cabled_engine, begin) -> None:
    """As with dockerd's live-restore: the step does not notice."""
    runner.prepare(runner.container(image)).ok()
    step = begin(runner, image).wait_begun()
    cabled_engine.cable.cut()
    step.let_go()
    wait_engine(hub, False)
    cabled_engine.cable.mend()
    told = step.end()
    assert told.code == 9 and told.output.endswith(NOISE), told.output[-500:]
    assert step.count == 1
    assert runner.run("echo goes on").ok().log == "goes on\n"
    runner.cleanup().ok()
    check_ended(runner, None)


@pytest.mark.parametrize("keep", [True, False])
def test_an_engine_that_goes_while_services_start(runner, hub, image, cabled_engine, keep) -> None:
    call = runner.start("prepare_job", {"container": runner.container(image),
                                        "services": [slow_service(runner, image)]})
    await_health(call)
    cabled_engine.restart(hub, keep)
    make_ready(runner)
    call.end().ok()
    assert runner.run("echo there").ok().log == "there\n"
    runner.cleanup().ok()
    check_ended(runner, None)


def test_an_engine_that_restarts_under_the_relay(hub, cabled_engine, make_relay) -> None:  # noqa: F811
    relay = make_relay(hub).start()
    relay.listener.send_job(job("echo ready; " + when(frames.CANCEL, "exit 103")))
    relay.wait_output("ready")
    cabled_engine.restart(hub)
    code = relay.wait()
    assert code not in (0, *range(100, 106)), relay.output
    assert "engine was restarted" in relay.output
    found = last_job(hub)
    assert (found["status"], found["code"]) == ("failed", "engine_restarted")
    check_nothing_made(hub.engine, found["id"])


# -- the network -----------------------------------------------------------------------


def cut_often(cable: Cable, step: Step) -> None:
    cable.cut_behind(1000)
    step.let_go()
    for behind in (1, 3000, 40000):
        before = cable.cuts
        wait_for(lambda: cable.cuts > before or not step.reader.is_alive(), what="a cut")
        cable.cut_behind(behind)


def cut_and_mend(cable: Cable, step: Step) -> None:
    cable.cut()
    step.let_go()
    wait_for(lambda: b"hub is away" in step.output, what="the runner hears of it")
    cable.mend()


def freeze(cable: Cable, step: Step) -> None:
    """The bytes that were on their way are lost."""
    cable.freeze()
    step.let_go()
    wait_for(lambda: step.count == 1)
    cable.cut()
    cable.mend()


@pytest.mark.parametrize("begin, harm", [
    (script_step, cut_often), (container_step, cut_often),
    (script_step, cut_and_mend), (container_step, freeze)])
def test_a_network_that_breaks_in_a_step(runner, cable, image, begin, harm) -> None:
    runner.prepare(runner.container(image)).ok()
    step = begin(runner, image).wait_begun()
    harm(cable, step)
    told = step.end()
    lines = [line for line in told.output.splitlines(True) if line[0].isdigit()]
    assert told.code == 9 and "".join(lines) == NOISE, told.output[-500:]
    assert step.count == 1
    runner.cleanup().ok()
    check_ended(runner, None)


def test_a_network_that_breaks_in_prepare(runner, cable, image) -> None:
    cable.cut_behind(300)
    assert runner.prepare(runner.container(image), [service(runner, image)]).ok()
    assert cable.cuts == 1 and len(sessions(runner)) == 1
    cable.cut_behind(1)
    runner.cleanup().ok()
    check_ended(runner, None)


def test_a_network_that_breaks_under_the_relay(hub, cable, make_relay) -> None:  # noqa: F811
    relay = make_relay(hub).start(RUNNERHUB_URL=cable.url)
    relay.listener.send_job(job(
        f"echo ready; {when(frames.SHUTDOWN, '')} seq {LINES}; {when(frames.CANCEL, 'exit 103')}"))
    relay.wait_output("ready")
    cable.cut_behind(5000)
    relay.listener.send(frames.SHUTDOWN)
    wait_for(lambda: cable.cuts == 1, what="the cut")
    relay.wait_output(f"\n{LINES}\n")
    cable.cut()
    relay.listener.send(frames.CANCEL)
    cable.mend()
    assert relay.wait() == 103, relay.output[-500:]
    lines = [int(line) for line in relay.output.splitlines() if line.isdigit()]
    assert lines == list(range(1, LINES + 1))
    check_nothing_made(hub.engine, last_job(hub)["id"])


@pytest.mark.parametrize("begin", STEPS)
def test_a_network_that_is_away_for_longer_than_the_lease(make_hub, engine, hook,  # noqa: F811
                                                          image, begin) -> None:
    hub = make_hub({"RUNNERHUB_SESSION_LEASE": "2s"}).start()
    cable = Cable(("127.0.0.1", hub.port))
    making = runners(hook, engine, CabledHub(hub, cable))
    runner = next(making)()
    runner.prepare(runner.container(image)).ok()
    step = begin(runner, image).wait_begun()
    cable.cut()
    job = check_ended(runner, "lease_expired")
    cable.mend()
    told = step.end()
    assert told.code not in (0, 9) and "::error::step 1" in told.output, told.output[-500:]
    assert "the proxy has vanished" in told.output and "vanished" in job["error"]
    assert step.count == 1
    runner.cleanup().ok()
    next(making, None)
    cable.close()


# -- memory ----------------------------------------------------------------------------


def test_a_step_that_needs_too_much_memory(runner, image) -> None:
    runner.prepare(runner.container(image, createOptions="--memory 32m")).ok()
    answer = runner.run("echo begun; tail /dev/zero")
    assert answer.code == 137 and answer.log.startswith("begun\n"), answer.log
    assert "memory" in answer.errors[0], answer.log
    assert runner.run("echo goes on").ok().log == "goes on\n"
    runner.cleanup().ok()
    check_ended(runner, None)


def test_a_service_that_needs_too_much_memory(runner, image) -> None:
    answer = runner.prepare(runner.container(image), [service(
        runner, image, "echo begun; exec tail /dev/zero",
        f"--memory 16m {HEALTH} 'test -e /no'")])
    assert answer.code == 1 and "out of memory" in answer.errors[0], answer.log
    check_ended(runner)


def test_a_worker_that_needs_too_much_memory(make_hub, make_relay) -> None:  # noqa: F811
    hub = make_hub({"RUNNER_MEMORY_MB": "48"}).start()
    code, output = make_relay(hub).run("echo ready; exec tail /dev/zero")
    assert code == 137 and "memory" in output, output


# -- the disk --------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    disk = Disk(str(tmp_path / "disk"))
    yield disk
    disk.close()


@pytest.fixture
def small_hub(disk, make_hub) -> Iterator[Hub]:
    """Its state is on a disk that can be filled."""
    hub = make_hub({"RUNNERHUB_DISK_RESERVE": "4m"})
    hub.state_dir = os.path.join(disk.path, "state")
    hub.env["RUNNERHUB_STATE_DIR"] = hub.state_dir
    yield hub.start()
    if os.path.exists(disk.filler):
        disk.free()
    hub.close()  # before its disk goes
    hub.abandon()


@pytest.mark.parametrize("begin", STEPS)
def test_a_disk_that_is_full_in_a_step(small_hub, disk, engine, hook, image,  # noqa: F811
                                       begin) -> None:
    """What it says waits for room."""
    making = runners(hook, engine, ThroughHub(small_hub))
    runner = next(making)()
    runner.prepare(runner.container(image)).ok()
    step = begin(runner, image, "seq 200000; exit 9").wait_begun()
    disk.fill()
    step.let_go()
    wait_for(lambda: "the log cannot be written" in small_hub.log(), what="it is held back")
    disk.free()
    told = step.end()
    assert told.code == 9, told.output[-500:]
    assert told.output.endswith(NOISE + "".join(f"{n}\n" for n in range(1, 200001)))
    assert step.count == 1
    runner.cleanup().ok()
    check_ended(runner, None)
    next(making, None)


def test_prepare_on_a_full_disk(small_hub, disk, engine, hook, image) -> None:  # noqa: F811
    making = runners(hook, engine, ThroughHub(small_hub))
    runner = next(making)()
    disk.fill()
    wait_for(lambda: "the disk is below its reserve" in small_hub.log(), what="the hub sees it")
    call = runner.start("prepare_job", {"container": runner.container(image), "services": []})
    while "disk" not in (line := call.read_line()):
        assert line, "it ended"
    disk.free()
    call.end().ok()
    assert runner.run("echo there").ok().log == "there\n"
    next(making, None)


def test_a_disk_that_is_full_under_the_relay(small_hub, disk, make_relay) -> None:  # noqa: F811
    relay = make_relay(small_hub).start()
    relay.listener.send_job(job(
        f"echo ready; {when(frames.SHUTDOWN, '')} seq 200000; {when(frames.CANCEL, 'exit 103')}"))
    relay.wait_output("ready")
    disk.fill()
    relay.listener.send(frames.SHUTDOWN)
    wait_for(lambda: "the log cannot be written" in small_hub.log(), what="it is held back")
    relay.listener.send(frames.CANCEL)
    disk.free()
    assert relay.wait() == 103, relay.output[-500:]
    lines = [int(line) for line in relay.output.splitlines() if line.isdigit()]
    assert lines == list(range(1, 200001))


# -- images ----------------------------------------------------------------------------


def test_images_that_are_missing(runner, image) -> None:
    answer = runner.prepare(runner.container(image), [service(runner, "no/such:service")])
    assert answer.code == 1 and "no/such:service" in answer.errors[0], answer.log
    check_ended(runner)
    runner.prepare(runner.container(image)).ok()
    answer = runner.call("run_container_step", runner.container("no/such:step"))
    assert answer.code not in (0, 9) and "no/such:step" in answer.errors[0], answer.log
    runner.cleanup().ok()
    check_ended(runner)


# -- the runner ------------------------------------------------------------------------


def test_a_hook_that_is_killed_while_it_prepares(make_hub, engine, hook, image) -> None:  # noqa: F811
    hub = make_hub({"RUNNERHUB_SESSION_FIRST_LEASE": "1s"}).start()
    making = runners(hook, engine, ThroughHub(hub))
    runner = next(making)()
    call = runner.start("prepare_job", {"container": runner.container(image),
                                        "services": [slow_service(runner, image)]})
    await_health(call)
    call.process.kill()
    call.end()
    make_ready(runner)
    assert "nobody drove it" in check_ended(runner, "lease_expired")["error"]
    next(making, None)


def test_a_relay_that_is_killed_while_it_prepares(make_hub, make_relay) -> None:  # noqa: F811
    """The hub dies with it in the middle of making the container: the next one
    makes it, and ends it when nobody comes."""
    hub = make_hub({"RUNNERHUB_SESSION_FIRST_LEASE": "1s", "RUNNERHUB_FAULT": "after_work_volume",
                    "RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()
    relay = make_relay(hub).start()
    relay.listener.send_job(job("echo never; exit 100"))
    assert wait_dead(hub)
    relay.listener.worker.kill()
    hub.env["RUNNERHUB_FAULT"] = ""
    hub.start()
    found = hub.wait_end(last_job(hub)["id"])
    assert found["code"] == "lease_expired" and found["steps"] == [], found
    check_nothing_made(hub.engine, found["id"])


def test_the_hub_dies_while_the_relay_prepares(make_hub, make_relay) -> None:  # noqa: F811
    hub = make_hub({"RUNNERHUB_FAULT": "after_work_volume",
                    "RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()
    relay = make_relay(hub).start()
    relay.listener.send_job(job("echo once; exit 102"))
    assert wait_dead(hub)
    hub.env["RUNNERHUB_FAULT"] = ""
    hub.start()
    assert relay.wait() == 102 and relay.output.count("once") == 1, relay.output
    check_nothing_made(hub.engine, last_job(hub)["id"])
