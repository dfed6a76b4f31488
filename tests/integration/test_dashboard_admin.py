"""What an admin does with the dashboard: people, tokens, secrets, the queue,
runners and the audit log. What it does is asked of the API."""

import json
from typing import Callable, Iterator

import pytest

from dashboard_lab import (NOWHERE, PASSWORD, Page, add_people, browser,  # noqa: F401
                           page, visit)
from hub import Hub, wait_for
from webhook_lab import Receiver


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE, "JWT_SECRET": "a secret for the tests",
                            "RUNNERHUB_WEBHOOKS_ALLOW": "127.0.0.0/8"}).start()


@pytest.fixture(scope="module")
def people(hub: Hub) -> dict[str, dict[str, str]]:
    made = add_people(hub)
    reply = hub.post("/api/runners/register", {"name": "build-2", "organization": "acme"},
                     headers=made["ann"])
    assert reply.status == 201, reply.text
    return made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def test_people_tokens_and_secrets(hub: Hub, people: dict, page: Page) -> None:
    browser = page.enter(hub, "ann", "/admin")
    browser.click("button", "Add somebody")
    browser.fill("dialog input[name=name]", "eve")
    browser.fill("dialog input[name=password]", "short")
    browser.click("dialog button", "Add")
    page.expect("/api/users - Failed")
    browser.see("12", "dialog .form-error")
    browser.fill("dialog input[name=password]", PASSWORD)
    browser.click("dialog button", "Add")
    browser.see("eve", "[aria-label=People]")
    browser.click("button[title='Delete eve']")
    browser.see("Delete eve?", "dialog")
    browser.click("dialog button", "Cancel")
    assert any(user["name"] == "eve" for user in hub.get("/api/users", headers=people["ann"]).data)
    browser.click("button[title='Disable eve']")
    browser.click("dialog button", "Disable")
    browser.see("disabled", "[aria-label=People]")
    browser.click("button[title='Delete eve']")
    browser.click("dialog button", "Delete")
    wait_for(lambda: "eve" not in browser.shown("[aria-label=People]"), what="eve goes")

    browser.click("button", "New token")
    browser.fill("dialog input[name=name]", "for the tests")
    browser.click("dialog button", "Make it")
    token = browser.find("#secret").text
    assert hub.get("/api/jobs", headers={"Authorization": f"Bearer {token}"}).status == 200
    browser.click("dialog button", "Done")
    browser.see("for the tests")
    assert token not in browser.run("return document.documentElement.outerHTML")

    browser.click("button", "New secret")
    browser.fill("dialog input[name=name]", "API_KEY")
    browser.find("dialog select").send_keys("jobs")
    browser.fill("dialog input[name=repositories]", "acme/*")
    browser.fill("dialog textarea", "hidden value")
    browser.click("dialog button", "Keep it")
    browser.see("API_KEY", "[aria-label=Secrets]")
    browser.see("acme/*", "[aria-label=Secrets]")
    assert "hidden value" not in browser.run("return document.documentElement.outerHTML")
    browser.click("button[title='Delete API_KEY']")
    browser.click("dialog button", "Delete")
    browser.see("There is no secret.")


def test_a_webhook_is_added_tried_and_turned_off(hub: Hub, people: dict, page: Page,
                                                receiver: Receiver) -> None:
    browser = page.enter(hub, "ann", "/admin")
    browser.see("The hub tells nobody of events.")
    browser.click("button", "New webhook")
    browser.fill("dialog input[name=name]", "chat")
    browser.fill("dialog input[name=url]", receiver.url())
    browser.fill("dialog input[name=events]", "job.failed, runner.*")
    browser.click("dialog button", "Add")
    assert len(browser.find("#secret").text) >= 16
    browser.click("dialog button", "Done")
    browser.see("job.failed, runner.*", "[aria-label=Webhooks]")
    browser.click("button[title='Test chat']")
    browser.see("chat answered 204")
    assert receiver.wait("/hook")
    browser.click("button[title='Deliveries chat']")
    browser.see("delivered", "dialog")
    browser.click("dialog button", "Close")
    browser.click("button[title='Turn off chat']")
    browser.find("button[title='Turn on chat']")
    browser.click("button[title='Delete chat']")
    browser.click("dialog button", "Delete")
    browser.see("The hub tells nobody of events.")


def test_the_queue_is_paused_and_resumed(hub: Hub, people: dict, page: Page) -> None:
    browser = page.enter(hub, "ann", "/system")
    browser.click("button", "Pause")
    browser.see("Pause the queue?", "dialog")
    browser.click("dialog button", "Pause")
    browser.see("paused", "[aria-label=Queue]")
    assert hub.get("/api/queue", headers=people["ann"]).data["paused"]
    visit(browser, "")
    browser.see("The queue is paused")
    browser.see("The container engine does not answer")
    browser.see("down", ".tile-bad")
    visit(browser, "/system")
    browser.click("button", "Resume")
    browser.click("dialog button", "Resume")
    browser.see("open", "[aria-label=Queue]")
    assert not hub.get("/api/queue", headers=people["ann"]).data["paused"]


def test_a_runner_is_drained_by_an_operator(hub: Hub, people: dict, page: Page) -> None:
    browser = page.enter(hub, "otto", "/runners")
    browser.click("button[title='Remove build-2']")
    browser.click("dialog button", "Remove")
    wait_for(lambda: "build-2" not in browser.shown("main tbody"), what="build-2 goes")
    assert hub.get("/api/runners/build-2", headers=people["ann"]).status == 404


def test_the_audit_log_is_verified_and_exported(hub: Hub, people: dict, page: Page) -> None:
    browser = page.enter(hub, "ann", "/audit")
    browser.click("button", "Verify")
    browser.see("Intact")
    browser.click("button", "JSON")
    browser.see("Exported")
    rows = browser.saved("audit.ndjson")
    assert json.loads(rows.splitlines()[0])["seq"] == 1
