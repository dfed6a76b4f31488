"""Steps of sessions in containers of their own, on the real engine."""

import os
import signal
from typing import Any, Iterator

import pytest

from hub import Hub, wait_for
from session_driver import Output, Session, build, made_for, nothing_left


@pytest.fixture(scope="module")
def work(tmp_path_factory: Any) -> str:
    path = str(tmp_path_factory.mktemp("work"))
    for name in ("_temp/_github_home", "_actions/own/action/v1", "repo/repo"):
        os.makedirs(os.path.join(path, name))
    return path


@pytest.fixture(scope="module")
def hub(make_module_hub: Any, work: str) -> Hub:
    return make_module_hub({"RUNNERHUB_WORK_ROOTS": work, "RUNNERHUB_CAPACITY": "8"}).start()


@pytest.fixture(scope="module")
def web(engine: Any, image: str) -> Iterator[str]:
    name = build(engine, f"FROM {image}\n"
                 "HEALTHCHECK --interval=200ms --timeout=5s --retries=50 "
                 "CMD busybox wget -q -O- http://127.0.0.1:8080/\n"
                 'CMD ["sh", "-c", "mkdir /www; echo hello >/www/index.html; '
                 'exec busybox httpd -f -p 8080 -h /www"]\n')
    yield name
    engine.call("DELETE", f"/images/{name}?force=1")


@pytest.fixture(scope="module")
def session(hub: Hub, image: str, web: str, work: str) -> Iterator[Session]:
    with Session(hub, container={"image": image}, secrets={"PASS": "swordfish-77"},
                 services=[{"image": web, "contextName": "api"}]) as session:
        yield session


def shell(image: str, script: str, **more: Any) -> dict:
    return {"container": {"image": image, "entryPoint": "sh",
                          "entryPointArgs": ["-c", f"'{script}'"], **more}}


def test_output_and_exit_code(session: Session, image: str):
    got = session.run(**shell(image, "echo one; echo two >&2; exit 7"))
    assert (got.out, got.err, got.end["exitCode"]) == (b"one\n", b"two\n", 7)
    assert got.end["status"] == "failed" and made_for(session.hub.engine, session.id)


def test_its_services_are_reached_by_name(session: Session, image: str):
    got = session.run(**shell(image, "busybox wget -q -O- http://api:8080/"))
    assert (got.out, got.end["exitCode"]) == (b"hello\n", 0), got


def test_work_directories_variables_and_path(session: Session, image: str, work: str):
    with open(f"{work}/repo/repo/file", "w", encoding="utf-8") as file:
        file.write("content")
    got = session.run(**shell(
        image, "cat file; echo $A $HOME; echo made >/github/home/x; echo $PATH",
        workingDirectory="/github/workspace", prependPath=["/one", "/two"],
        environmentVariables={"A": "b c", "HOME": "/github/home"},
        systemMountVolumes=[
            {"sourceVolumePath": f"{work}/repo/repo", "targetVolumePath": "/github/workspace"},
            {"sourceVolumePath": f"{work}/_temp/_github_home",
             "targetVolumePath": "/github/home"}]))
    lines = got.out.decode().splitlines()
    assert got.end["exitCode"] == 0 and lines[0] == "contentb c /github/home", got
    assert lines[1].startswith("/one:/two:/")
    assert os.path.exists(f"{work}/_temp/_github_home/x")


def test_secrets_are_masked(session: Session, image: str):
    got = session.run(**shell(image, "echo a swordfish-77 b; echo swordfish-77 >&2"))
    assert (got.out, got.err) == (b"a *** b\n", b"***\n")


def test_out_of_memory(session: Session, image: str):
    got = session.run(**shell(image, "exec tail /dev/zero", createOptions="--memory 16m"))
    assert got.end["exitCode"] == 137 and "out of memory" in got.end["error"], got


def test_signals(session: Session, image: str):
    step = session.begin(**shell(
        image, 'trap "echo polite; exit 5" TERM; echo ready; while :; do sleep 0.1; done'))
    got = session.read(step, until=b"ready\n")
    session.signal(step, "TERM")
    got = session.read(step, output=got)
    assert (got.out, got.end["exitCode"]) == (b"ready\npolite\n", 5)
    step = session.begin(**shell(image, "echo ready; exec tail -f /dev/null"))
    got = session.read(step, until=b"ready\n")
    session.signal(step, "KILL")
    assert session.read(step, output=got).end["exitCode"] == 128 + signal.SIGKILL


def test_much_output_comes_whole(session: Session, image: str):
    got = session.run(**shell(image, "seq 1 40000"))
    assert got.out == b"".join(b"%d\n" % n for n in range(1, 40001))
    assert got.end["exitCode"] == 0


def test_a_dockerfile_is_built(session: Session, image: str, work: str):
    action = f"{work}/_actions/own/action/v1"
    with open(f"{action}/run.sh", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho ran with \"$@\"\n")
    os.chmod(f"{action}/run.sh", 0o755)
    with open(f"{action}/Dockerfile", "w", encoding="utf-8") as file:
        file.write(f"FROM {image}\nCOPY run.sh /run.sh\nRUN echo built\n"
                   'ENTRYPOINT ["/run.sh"]\n')
    got = session.run(container={"dockerfile": f"{action}/Dockerfile",
                                 "entryPointArgs": ['"a', 'b"', "c"]})
    assert got.end["exitCode"] == 0 and got.out.endswith(b"ran with a b c\n"), got
    assert b"built" in got.out
    wait_for(lambda: made_for(session.hub.engine, session.id)["images"] == [], 60,
             "the built image is removed")


def test_nothing_of_an_earlier_build(hub: Hub, image: str, work: str):
    """What one job's build made of an instruction is no part of another's."""
    action = f"{work}/_actions/own/cached"
    os.makedirs(action)
    with open(f"{action}/Dockerfile", "w", encoding="utf-8") as file:
        file.write(f"FROM {image}\nRUN cat /proc/sys/kernel/random/uuid >/made\n")
    made = set()
    for _ in range(2):
        with Session(hub, container={"image": image}) as session:
            got = session.run(container={"dockerfile": f"{action}/Dockerfile",
                                         "entryPoint": "cat", "entryPointArgs": ["/made"]})
            assert got.end["exitCode"] == 0, got
            made.add(got.out.splitlines()[-1])
    assert len(made) == 2


def test_a_wish_that_is_none_takes_no_number(hub: Hub, image: str):
    with Session(hub, container={"image": image}) as session:
        for wish in ({}, {"image": 7}, {"entryPoint": "sh"}):
            refused = session.post("steps", {"key": "bad", "container": wish})
            assert refused.status == 400, refused.text
        assert hub.get(f"/api/jobs/{session.id}/steps/0").status == 404
        assert session.begin(key="good", run="true") == 0
        assert session.read(0).end["exitCode"] == 0


def test_a_context_outside_is_refused(session: Session, work: str):
    os.symlink("/etc", f"{work}/_actions/out")
    for path in ("/etc/Dockerfile", f"{work}/_actions/out/Dockerfile"):
        got = session.run(container={"dockerfile": path})
        assert got.end["exitCode"] != 0 and "work director" in got.end["error"], got


def test_an_image_that_is_not_there(session: Session):
    got = session.run(container={"image": "sessiontest/none:1"})
    assert got.end["exitCode"] == 125 and b"sessiontest/none:1" in got.out + got.err, got


def test_the_session_ends_it(hub: Hub, engine: Any, image: str):
    with Session(hub, container={"image": image}) as session:
        step = session.begin(**shell(image, "echo ready; exec tail -f /dev/null"))
        got = session.read(step, until=b"ready\n")
        session.end()
        assert session.read(step, output=got).end["exitCode"] != 0


# -- a hub that dies --------------------------------------------------------------------


def test_a_restart_in_the_middle_loses_no_output(make_hub: Any, engine: Any, image: str):
    hub = make_hub({"RUNNERHUB_HOST_SERVICES": "warn"}).start()
    with Session(hub, container={"image": image}, secrets={"S": "tick-secret"}) as session:
        step = session.begin(**shell(
            image, "n=0; while [ $n -lt 60 ]; do n=$((n+1)); echo $n; echo tick-secret $n >&2; "
                   "sleep 0.05; done; exit 3"))
        got = session.read(step, until=b"\n5\n")
        hub.kill9()
        hub.start()
        got = session.read(step, output=got)
        assert got.out == b"".join(b"%d\n" % n for n in range(1, 61))
        assert got.err == b"".join(b"*** %d\n" % n for n in range(1, 61))
        assert got.end["exitCode"] == 3


# -- sessions inside sessions -----------------------------------------------------------


def test_a_session_inside_shares_the_work_volume(hub: Hub, image: str):
    """As the relay's worker does it: what the outer container writes into its
    work directory, the inner one and its container steps find in theirs."""
    mounts = [{"sourceVolumePath": "/home/runner/_work", "targetVolumePath": "/__w"},
              {"sourceVolumePath": "/home/runner/_work/_temp", "targetVolumePath": "/__w/_temp"},
              {"sourceVolumePath": "/home/runner/externals", "targetVolumePath": "/__e",
               "readOnly": True}]
    with Session(hub, image=image, nested={"work": "/home/runner/_work"}) as outer:
        got = outer.run(run="mkdir -p _temp/act && echo from outside >_temp/file && "
                            f"printf 'FROM {image}\\nCOPY said /said\\n' >_temp/act/Dockerfile && "
                            "echo copied >_temp/act/said; printf %s \"$RUNNERHUB_TOKEN\"",
                        workingDirectory="/home/runner/_work")
        token = got.out.decode()
        assert token.startswith("rhs_"), got
        inner = Session(hub, token, container={"image": image, "systemMountVolumes": mounts})
        got = inner.run(run="cat /__w/_temp/file; echo from inside >/__w/answer; ls -d /__e")
        assert got.out == b"from outside\n/__e\n", got
        got = inner.run(**shell(image, "cat /t/file /work/answer", systemMountVolumes=[
            {"sourceVolumePath": "/home/runner/_work/_temp", "targetVolumePath": "/t"},
            {"sourceVolumePath": "/home/runner/_work", "targetVolumePath": "/work"}]))
        assert got.out == b"from outside\nfrom inside\n", got
        got = inner.run(container={"dockerfile": "/home/runner/_work/_temp/act/Dockerfile",
                                   "entryPoint": "cat", "entryPointArgs": ["/said"]})
        assert got.out.endswith(b"copied\n") and got.end["exitCode"] == 0, got
        got = inner.run(**shell(image, "touch /e/mine || touch /f/mine || echo refused",
                                userMountVolumes=[{"sourceVolumePath": "/home/runner/externals",
                                                   "targetVolumePath": "/e"}],
                                createOptions="-v /home/runner/externals/:/f:rw"))
        assert got.out == b"refused\n" and b"ead-only" in got.err, got
        refused = hub.wait_end(inner.open_as(token, container={"image": image,
            "systemMountVolumes": [{"sourceVolumePath": "/home/runner",
                                    "targetVolumePath": "/x"}]}))
        assert refused["status"] == "failed" and "/home/runner" in refused["error"], refused
    nothing_left(hub.engine, inner.id)
