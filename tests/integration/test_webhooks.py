"""Webhooks: what is sent, signed and repeated, over crashes and failures of
either side; and where they do not go."""

import json
import os
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

import fault_points
from fixtures import ROOT
from hub import Hub, free_port, wait_for
from webhook_lab import (Receiver, add, deliveries, remove_all, show,
                         signature)

NOWHERE = "unix:///nonexistent/engine.sock"
LOOPBACK = {"RUNNERHUB_WEBHOOKS_ALLOW": "127.0.0.0/8",
            "RUNNERHUB_WEBHOOKS_RETRY_WAIT": "20ms",
            "RUNNERHUB_WEBHOOKS_TIMEOUT": "2s"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def started(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE, **LOOPBACK}).start()


@pytest.fixture
def hub(started: Hub, receiver: Receiver) -> Iterator[Hub]:
    receiver.deliveries.clear()
    receiver.answer = lambda delivery: 204
    receiver.release()
    yield started
    remove_all(started)


def cancelled_job(hub: Hub, **fields: str) -> str:
    """Two events, without an engine: delegated and cancelled."""
    job = hub.delegate(["true"], **fields)
    assert hub.post(f"/api/jobs/{job}/cancel").status in (200, 202)
    return job


# -- what is sent ----------------------------------------------------------

def test_a_job_is_told_signed_and_whole(hub: Hub, receiver: Receiver) -> None:
    made = add(hub, "all", receiver.url())
    assert len(made["secret"]) == 64
    before = int(time.time())
    job = cancelled_job(hub, jobId="build", workflow="CI")
    sent = receiver.wait("/hook", 2)
    assert [one.event for one in sent] == ["job.delegated", "job.cancelled"]
    for one in sent:
        assert one.headers["x-runnerhub-signature-256"] == signature(
            made["secret"], one)
        assert abs(int(one.headers["x-runnerhub-timestamp"]) - before) < 120
        assert one.headers["content-type"] == "application/json"
    body = sent[1].json
    assert set(body) == {"event", "id", "time", "hub", "repository", "data"}
    assert body["event"] == "job.cancelled"
    assert body["hub"] == hub.get("/api/system").data["hubId"]
    assert body["repository"] == "test/repo"
    told = body["data"]["job"]
    assert (told["id"], told["jobId"], told["workflow"]) == (job, "build", "CI")
    assert told["status"] == "cancelled" and told["attempt"] == 1
    assert sent[0].json["id"] != body["id"] and sent[0].id != sent[1].id
    assert "secret" not in show(hub, made)
    wait_for(lambda: show(hub, made)["delivered"] == 2, what="both are counted")


def test_a_secret_of_ones_own_signs(hub: Hub, receiver: Receiver) -> None:
    secret = "a secret of mine, long enough"
    made = add(hub, "own", receiver.url("/own"), secret=secret)
    assert "secret" not in made
    cancelled_job(hub)
    one = receiver.wait("/own")[0]
    assert one.headers["x-runnerhub-signature-256"] == signature(secret, one)
    hub.patch(f"/api/webhooks/{made['id']}", {"secret": secret + " too"})
    result = hub.post(f"/api/webhooks/{made['id']}/test").data
    assert result["delivered"] and result["status"] == 204
    one = receiver.at("/own")[-1]
    assert one.event == "webhook.test" and one.id == result["deliveryId"]
    assert one.headers["x-runnerhub-signature-256"] == signature(
        secret + " too", one)


def test_only_what_is_wanted_comes(hub: Hub, receiver: Receiver) -> None:
    add(hub, "ends", receiver.url("/ends"), events=["job.cancelled", "hub.*"])
    add(hub, "one", receiver.url("/one"), repository="Acme/App")
    add(hub, "owner", receiver.url("/owner"), repository="acme/*")
    off = add(hub, "off", receiver.url("/off"), enabled=False)
    cancelled_job(hub, repository="acme/app")
    cancelled_job(hub, repository="acme/other")
    cancelled_job(hub, repository="acmeother/app")
    receiver.wait("/ends", 3)
    receiver.wait("/one", 2)
    receiver.wait("/owner", 4)
    hub.patch(f"/api/webhooks/{off['id']}", {"enabled": True})
    cancelled_job(hub)
    assert set(receiver.events("/ends")) == {"job.cancelled"}
    assert {one.json["repository"] for one in receiver.at("/one")} == {"acme/app"}
    assert {one.json["repository"] for one in receiver.at("/owner")} == {
        "acme/app", "acme/other"}
    assert {one.json["repository"] for one in receiver.wait("/off", 2)} == {
        "test/repo"}


def test_slack_gets_a_line_that_cannot_speak_for_others(
        hub: Hub, receiver: Receiver) -> None:
    made = add(hub, "slack", receiver.url("/slack"), format="slack",
               events=["job.delegated"])
    assert "secret" not in made
    cancelled_job(hub, jobId="<!channel> & <https://evil.example|click> \U0001f600 \"q\"")
    one = receiver.wait("/slack")[0]
    assert "x-runnerhub-signature-256" not in one.headers
    assert set(one.json) == {"text"}
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; \U0001f600 \"q\"" \
        in one.json["text"]
    assert "<" not in one.json["text"] and ">" not in one.json["text"]


def test_runners_that_come_and_go_are_told(hub: Hub, receiver: Receiver) -> None:
    add(hub, "runners", receiver.url("/runners"), events=["runner.*"])
    runner = hub.post("/api/runners/register", {"name": "r1"}).data
    token = {"Authorization": f"Bearer {runner['token']}"}
    hub.post("/api/runners/self/heartbeat", {"status": "idle"}, headers=token)
    hub.post("/api/runners/self/heartbeat", {"status": "offline"}, headers=token)
    sent = receiver.wait("/runners", 2)
    assert [one.event for one in sent] == ["runner.online", "runner.offline"]
    assert sent[1].json["data"]["runner"]["name"] == "r1"
    assert sent[1].json["data"]["runner"]["status"] == "offline"
    assert hub.delete(f"/api/runners/{runner['id']}").status == 200


# -- failures --------------------------------------------------------------

def test_a_failed_delivery_comes_again_the_same(hub: Hub, receiver: Receiver) -> None:
    made = add(hub, "flaky", receiver.url("/flaky"), events=["job.delegated"])
    answers = iter([500, 503, (429, {"Retry-After": "0"})])
    receiver.answer = lambda delivery: next(answers, 200)
    cancelled_job(hub)
    sent = receiver.wait("/flaky", 4)
    assert len({one.id for one in sent}) == 1
    assert len({one.body for one in sent}) == 1
    done = wait_for(lambda: [one for one in deliveries(hub, made)
                             if one["state"] == "delivered"], what="it is noted")
    assert done[0]["attempts"] == 4 and done[0]["status"] == 200
    assert done[0]["id"] == sent[0].id and done[0]["error"] is None


@pytest.mark.parametrize("status", [302, 400, 404, 410])
def test_a_refusal_is_final(hub: Hub, receiver: Receiver, status: int) -> None:
    made = add(hub, "no", receiver.url("/no"), events=["job.delegated"])
    receiver.answer = lambda delivery: (status, {
        "Location": receiver.url("/elsewhere")})
    cancelled_job(hub)
    failed = wait_for(lambda: [one for one in deliveries(hub, made)
                               if one["state"] == "failed"], what="it is given up")
    assert failed[0]["attempts"] == 1 and failed[0]["status"] == status
    assert len(receiver.at("/no")) == 1
    assert receiver.at("/elsewhere") == []


def test_a_dead_target_opens_its_circuit_and_a_living_one_closes_it(
        hub: Hub, receiver: Receiver) -> None:
    made = add(hub, "dead", receiver.url("/dead"))
    receiver.answer = lambda delivery: 500
    cancelled_job(hub)
    failing = wait_for(lambda: (one := show(hub, made))["failures"] >= 5 and one,
                       what="it has failed five times")
    assert failing["circuit"] in ("open", "half-open")
    assert failing["lastError"] == "answered with status 500"
    assert "github_runnerhub_webhook_circuits_open 1" in hub.get("/metrics").text
    receiver.answer = lambda delivery: 200
    well = wait_for(lambda: (one := show(hub, made))["waiting"] == 0 and one,
                    what="all is delivered")
    assert (well["circuit"], well["failures"], well["lastError"]) == (
        "closed", 0, None)


def test_a_slow_target_holds_up_nobody(hub: Hub, receiver: Receiver) -> None:
    slow = Receiver()
    try:
        slow.hold()
        add(hub, "slow", slow.url("/slow"))
        add(hub, "quick", receiver.url("/quick"))
        for _ in range(20):
            cancelled_job(hub)
        slow.wait("/slow")
        receiver.wait("/quick", 40)
        assert len(slow.at("/slow")) <= 2
        assert hub.get("/health").status in (200, 503)
        remove_all(hub)  # does not wait for it, either
    finally:
        slow.close()


def test_more_than_may_wait_is_dropped_and_counted(
        make_hub: Callable[..., Hub]) -> None:
    receiver = Receiver()
    hub = make_hub({"DOCKER_HOST": NOWHERE, **LOOPBACK,
                    "RUNNERHUB_WEBHOOKS_TIMEOUT": "60s",
                    "RUNNERHUB_WEBHOOKS_QUEUE_MAX": "50"}).start()
    try:
        receiver.hold()
        made = add(hub, "small", receiver.url("/small"))
        for _ in range(100):
            cancelled_job(hub)
        full = wait_for(lambda: (one := show(hub, made))["waiting"] +
                        one["dropped"] == 200 and one, what="all is queued or not")
        assert full["waiting"] == 50 and full["dropped"] == 150
        text = hub.get("/metrics").text
        assert 'webhook_deliveries_total{result="dropped"} 150' in text
        assert "github_runnerhub_webhook_queue 50" in text
        receiver.release()
        receiver.wait("/small", 50)
        wait_for(lambda: show(hub, made)["delivered"] == 50, what="all are noted")
        assert len(deliveries(hub, made)) == 50
        hub.terminate()
    finally:
        receiver.close()


# -- crashes ---------------------------------------------------------------

@pytest.mark.parametrize("point", fault_points.WEBHOOK)
def test_a_hub_that_dies_loses_no_event(
        make_hub: Callable[..., Hub], point: str) -> None:
    receiver = Receiver()
    hub = make_hub({"DOCKER_HOST": NOWHERE, **LOOPBACK,
                    "RUNNERHUB_FAULT": point}).start()
    try:
        made = add(hub, "kept", receiver.url("/kept"), events=["job.*"])
        try:
            hub.delegate(["true"])
        except OSError:
            pass  # it died before it answered
        assert hub.process is not None
        hub.process.wait(60)
        hub.kill9()
        del hub.env["RUNNERHUB_FAULT"]
        hub.start()
        receiver.wait("/kept")
        wait_for(lambda: show(hub, made)["delivered"] == 1, what="it is noted")
        assert set(receiver.events("/kept")) == {"job.delegated"}
        ids = [one.id for one in receiver.at("/kept")]
        assert len(set(ids)) == 1 and len(ids) <= 2
        hub.abandon()
    finally:
        receiver.close()


def cursor_reached_the_end(hub: Hub) -> bool:
    """All that happened is read for good, also for the next hub."""
    with sqlite3.connect(f"file:{hub.state_dir}/runnerhub.db?mode=ro", uri=True) as db:
        found = db.execute("SELECT value >= (SELECT MAX(seq) FROM job_events) FROM counters"
                           " WHERE name = 'webhook_cursor'").fetchone()
    db.close()
    return found == (1,)


def test_a_restart_tells_a_new_webhook_nothing_old(make_hub: Callable[..., Hub]) -> None:
    receiver = Receiver()
    hub = make_hub({"DOCKER_HOST": NOWHERE, **LOOPBACK}).start()
    try:
        add(hub, "first", receiver.url("/first"), events=["job.failed"])
        hub.delegate(["true"])  # nobody wants to know
        add(hub, "second", receiver.url("/second"), events=["job.delegated"])
        wait_for(lambda: cursor_reached_the_end(hub), what="it is behind us", timeout=20)
        told = len(receiver.at("/second"))
        hub.restart()
        hub.delegate(["true"])
        assert len(receiver.wait("/second", told + 1)) == told + 1
        hub.terminate()
    finally:
        receiver.close()


def test_what_is_queued_while_the_sender_turns_to_rest_is_sent(
        make_hub: Callable[..., Hub], tmp_path: Path) -> None:
    receiver = Receiver()
    gate = tmp_path / "gate"
    gate.touch()
    hub = make_hub({"DOCKER_HOST": NOWHERE, **LOOPBACK,
                    "RUNNERHUB_FAULT": f"webhook_looked@{gate}"}).start()
    try:
        made = add(hub, "late", receiver.url("/late"), events=["job.delegated"])
        wait_for(lambda: ": waiting" in hub.log(), what="it found nothing to send")
        hub.delegate(["true"])
        wait_for(lambda: show(hub, made)["waiting"] == 1, what="it is queued")
        gate.unlink()
        wait_for(lambda: receiver.at("/late"), timeout=30, what="it is sent at once")
        hub.terminate()
    finally:
        receiver.close()


def test_what_happens_to_the_hub_itself_is_told(make_hub: Callable[..., Hub]) -> None:
    receiver = Receiver()
    hub = make_hub({"DOCKER_HOST": NOWHERE, **LOOPBACK}).start()
    try:
        add(hub, "hub", receiver.url("/hub"), events=["hub.*"])
        hub.restart({"RUNNERHUB_DISK_RESERVE": "1t"})
        sent = {one.event: one.json for one in receiver.wait("/hub", 2)}
        assert set(sent) == {"hub.engine_down", "hub.disk_low"}
        assert "nonexistent" in sent["hub.engine_down"]["data"]["hub"]["error"]
        hub.terminate()
    finally:
        receiver.close()


# -- where they do not go --------------------------------------------------

@pytest.mark.parametrize("url", [
    "https://169.254.169.254/latest/meta-data", "https://[fe80::1]/",
    "https://[::ffff:169.254.169.254]/", "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::1]/", "https://0.0.0.0/", "https://[::]/",
    "https://224.0.0.1/", "https://255.255.255.255/", "https://100.100.100.200/",
    "https://10.213.0.1/", "http://8.8.8.8/", "https://[::1]/"])
def test_an_address_that_is_never_asked_is_refused_at_once(
        hub: Hub, url: str) -> None:
    reply = hub.post("/api/webhooks", {"name": "bad", "url": url})
    assert (reply.status, reply.json["code"]) == (400, "webhook_refused"), reply.text
    assert hub.get("/api/webhooks").data == []


@pytest.mark.parametrize("url", [
    "http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/",
    "https://user:word@169.254.43518/"])
def test_other_ways_to_write_it_are_refused_when_asked(hub: Hub, url: str) -> None:
    made = add(hub, "odd", url)
    result = hub.post(f"/api/webhooks/{made['id']}/test").data
    assert not result["delivered"] and result["status"] is None
    assert "link-local" in result["error"], result


def test_nobody_listens_and_no_proxy_is_to_blame(hub: Hub) -> None:
    made = add(hub, "nobody", f"http://127.0.0.1:{free_port()}/")
    error = hub.post(f"/api/webhooks/{made['id']}/test").data["error"]
    assert "cannot be reached" in error and "HTTPS_PROXY" not in error


def test_a_name_is_judged_by_what_it_leads_to(make_hub: Callable[..., Hub]) -> None:
    """localhost is a name like any other; this hub allows nothing."""
    receiver = Receiver()
    hub = make_hub({"DOCKER_HOST": NOWHERE}).start()
    try:
        made = add(hub, "name", receiver.url("/name", "localhost"))
        result = hub.post(f"/api/webhooks/{made['id']}/test").data
        assert not result["delivered"]
        assert "this machine" in result["error"], result
        assert "RUNNERHUB_WEBHOOKS_ALLOW" in result["error"]
        assert receiver.deliveries == []
        hub.terminate()
    finally:
        receiver.close()


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("resolver") / "resolver.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", path,
                    os.path.join(ROOT, "tests", "fakes", "resolver.c"), "-ldl"], check=True)
    return path


def resolving(hub: Hub, resolver: str, hosts: str) -> Hub:
    path = os.path.join(hub.dir, "hosts")
    with open(path, "w", encoding="utf-8") as file:
        file.write(hosts)
    hub.env.update({"LD_PRELOAD": resolver, "FAKE_HOSTS": path})
    hub.env["ASAN_OPTIONS"] = ":".join(
        [hub.env.get("ASAN_OPTIONS", ""), "verify_asan_link_order=0"]).strip(":")
    return hub.start()


@pytest.mark.parametrize("address, word", [
    ("169.254.169.254", "link-local"), ("fe80::1", "link-local"),
    ("::ffff:169.254.169.254", "link-local"), ("0.0.0.0", "of no host"),
    ("100.100.100.200", "metadata"), ("10.214.0.9", "network of jobs")])
def test_a_name_that_leads_to_such_an_address_is_refused(
        make_hub: Callable[..., Hub], resolver: str, address: str, word: str) -> None:
    hub = resolving(make_hub({"DOCKER_HOST": NOWHERE, **LOOPBACK}), resolver,
                    f"inside.example {address}\n")
    made = add(hub, "name", "https://inside.example/")
    result = hub.post(f"/api/webhooks/{made['id']}/test").data
    assert not result["delivered"] and result["status"] is None
    assert word in result["error"], result
    hub.terminate()


def test_a_name_that_changes_its_mind_gains_nothing(
        make_hub: Callable[..., Hub], resolver: str) -> None:
    """It leads to a receiver first, then to a metadata service: what is judged
    is what is connected to."""
    receiver = Receiver()
    hub = resolving(make_hub({"DOCKER_HOST": NOWHERE, **LOOPBACK}), resolver,
                    "fickle.example 127.0.0.1 169.254.169.254\n")
    try:
        made = add(hub, "fickle", receiver.url("/fickle", "fickle.example"))
        assert hub.post(f"/api/webhooks/{made['id']}/test").data["delivered"]
        result = hub.post(f"/api/webhooks/{made['id']}/test").data
        assert not result["delivered"] and "link-local" in result["error"], result
        assert len(receiver.at("/fickle")) == 1
        hub.terminate()
    finally:
        receiver.close()


def test_a_resolver_that_hangs_holds_up_nobody(
        make_hub: Callable[..., Hub], resolver: str) -> None:
    hub = resolving(make_hub({"DOCKER_HOST": NOWHERE, **LOOPBACK}), resolver,
                    "stuck.example never\n")
    made = add(hub, "stuck", "https://stuck.example/")
    result = hub.post(f"/api/webhooks/{made['id']}/test").data
    assert not result["delivered"] and "in time" in result["error"], result
    hub.delegate(["true"])
    assert hub.delete(f"/api/webhooks/{made['id']}").status == 200
    assert hub.terminate() == 0


# -- managing them ---------------------------------------------------------

@pytest.mark.parametrize("body", [
    {"url": "https://hooks.example/"}, {"name": "x"},
    {"name": "x", "url": "ftp://hooks.example/"},
    {"name": "x", "url": "https://"}, {"name": "x", "url": "https://a b/"},
    {"name": "x", "url": "https://a\\b/"},
    {"name": "x", "url": "https://" + "a" * 2100},
    {"name": "x" * 65, "url": "https://hooks.example/"},
    {"name": "", "url": "https://hooks.example/"},
    {"name": "a\nb", "url": "https://hooks.example/"},
    {"name": "x", "url": "https://hooks.example/", "events": []},
    {"name": "x", "url": "https://hooks.example/", "events": ["job.nothing"]},
    {"name": "x", "url": "https://hooks.example/", "events": ["job.fail*"]},
    {"name": "x", "url": "https://hooks.example/", "events": "job.*"},
    {"name": "x", "url": "https://hooks.example/", "events": ["job.*"] * 33},
    {"name": "x", "url": "https://hooks.example/", "format": "teams"},
    {"name": "x", "url": "https://hooks.example/", "secret": "short"},
    {"name": "x", "url": "https://hooks.example/", "enabled": 1}])
def test_a_bad_body_is_refused(hub: Hub, body: dict) -> None:
    reply = hub.post("/api/webhooks", body)
    assert reply.status == 400, reply.text
    assert hub.get("/api/webhooks").data == []


def test_names_are_unique_and_numbers_bounded(hub: Hub) -> None:
    for n in range(32):
        add(hub, f"w{n:02}", "https://hooks.example/", enabled=False)
    reply = hub.post("/api/webhooks", {"name": "w00", "url": "https://a.example/"})
    assert (reply.status, reply.json["code"]) == (409, "webhook_exists")
    reply = hub.post("/api/webhooks", {"name": "w32", "url": "https://a.example/"})
    assert (reply.status, reply.json["code"]) == (409, "too_many_webhooks")
    assert len(hub.get("/api/webhooks").data) == 32


def test_what_is_not_there_is_404(hub: Hub) -> None:
    for path in ("/api/webhooks/0190a0a0-0000-7000-8000-000000000000",
                 "/api/webhooks/nonsense"):
        assert hub.patch(path, {"enabled": False}).status == 404
        assert hub.delete(path).status == 404
        assert hub.post(path + "/test").status == 404
        assert hub.get(path + "/deliveries").status == 404


def test_addresses_and_secrets_stay_inside(hub: Hub, receiver: Receiver) -> None:
    word = "T0P-s3cret-path"
    made = add(hub, "sealed", receiver.url(f"/{word}"), secret=word + word)
    assert made["origin"] == f"http://127.0.0.1:{receiver.port}"
    assert hub.post(f"/api/webhooks/{made['id']}/test").data["delivered"]
    hub.patch(f"/api/webhooks/{made['id']}", {
        "url": f"http://user:{word}@127.0.0.1:{receiver.port}/{word}"})
    assert hub.post(f"/api/webhooks/{made['id']}/test").data["delivered"]
    assert word not in hub.get("/api/webhooks").text
    assert word not in hub.get("/api/audit?limit=1000").text
    with open(hub.log_path, encoding="utf-8") as log:
        assert word not in log.read()
    path = f"{hub.state_dir}/runnerhub.db"
    for suffix in ("", "-wal"):
        with open(path + suffix, "rb") as file:
            assert word.encode() not in file.read()
    actions = [row["action"] for row in hub.get("/api/audit?limit=1000").data]
    for action in ("webhook.create", "webhook.test", "webhook.update"):
        assert action in actions


def test_without_webhooks_nothing_is_kept(hub: Hub) -> None:
    runner = hub.post("/api/runners/register", {"name": "quiet"}).data
    hub.delete(f"/api/runners/{runner['id']}")
    with sqlite3.connect(f"file:{hub.state_dir}/runnerhub.db?mode=ro", uri=True) as db:
        for table in ("notices", "webhook_deliveries"):
            assert db.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)
    db.close()


def test_the_command_line_manages_them(
        hub: Hub, receiver: Receiver, runnerhub: str) -> None:
    def run(*args: str, text: str | None = None) -> subprocess.CompletedProcess:
        return subprocess.run([runnerhub, "webhook", *args, "--url", hub.url],
                              input=text, capture_output=True, text=True, timeout=60)

    made = run("add", "chat", "--events", "job.delegated,runner.*",
               text=receiver.url("/chat") + "\n")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.splitlines()[-1]
    assert run("test", "chat").returncode == 0
    one = receiver.wait("/chat")[0]
    assert one.headers["x-runnerhub-signature-256"] == signature(secret, one)
    listed = run("list", "--json")
    assert json.loads(listed.stdout)[0]["events"] == ["job.delegated", "runner.*"]
    assert "chat" in run("list").stdout
    assert "webhook.test" in run("deliveries", "chat").stdout
    assert run("add", "chat", "--to", receiver.url()).returncode == 1
    assert run("remove", "chat").returncode == 0
    gone = run("test", "chat")
    assert gone.returncode != 0 and "no webhook chat" in gone.stderr
