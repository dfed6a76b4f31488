"""The fault points of the sources, and what each crash test does with them.

    python3 tests/integration/fault_points.py      prints the list

A point is armed with RUNNERHUB_FAULT=name[:n]: the hub kills itself with
SIGKILL at its n-th passage (src/base/fault.h).
"""

import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Passed by a job that starts cold: passages at which the hub is to die.
LIFE = {
    "before_container_create": [1],
    "after_container_create": [1],
    "after_container_start": [1],
    "after_assigned": [1],
    "before_running": [1],
    "after_running": [1],
    "after_job_sent": [1],
    "after_step_sent": [1, 2],
    "before_spool_append": [1, 2, 3],
    "after_spool_append": [1, 2, 3],
    "spool_text_written": [1, 2, 3],
    "spool_notes_written": [1, 2, 3],
    "before_end": [1],
    "after_end": [1],
    "spool_before_finish": [1],
    "before_container_remove": [1],
    "after_container_remove": [1],
    "store_before_commit": [1, 2, 3, 4],
    "store_after_commit": [1, 2, 3, 4],
}

# Passed by a start of the hub that finds work of an earlier one, which died
# at the point on the right.
RECOVERY = {
    "before_recover": "after_job_sent",
    "after_adopt": "after_step_sent",
    "recover_requeue": "before_running",
    "spool_recover_index_cut": "after_spool_append",
}

# Passed by a session with containers: test_session_faults.py.
SESSION = {
    "after_session_network": [1],
    "after_work_volume": [1],
    "after_place_create": [1, 2],
    "after_service_create": [1],
    "after_step_given": [1],
    "before_side_build": [1],
    "after_side_create": [1],
    "after_side_start_mark": [1],
    "after_side_start": [1],
    "side_output": [1, 5],
    "before_side_end_mark": [1],
    "after_side_end_mark": [1],
    "after_side_remove": [1],
    "after_session_cut": [1],
    "unmake_containers": [1],
    "unmake_network": [1],
}

# Passed by the life of a component: test_components_survival.py,
# test_component_life.py, test_component_network.py.
COMPONENT = {
    "component_step": [1, 2, 3, 4, 5],
    "component_started": [1],
    "component_recover": [1],
    "component_restart_counted": [1],
    "component_restart": [1],
    "component_spare": [1],
    "component_ending": [1],
}

# Passed by `runnerhub secret rotate`, to another text and to another key file:
# test_secrets_rotate.py.
ROTATION = {
    "text": {
        "rotate_before_commit": [1],
        "rotate_changed": [1],
        "rotate_batch": [1, 2, 3, 4, 5, 6],
        "rotate_before_drop": [1],
    },
    "file": {
        "rotate_key_written": [1],
        "rotate_before_commit": [1],
        "rotate_changed": [1],
        "rotate_key_named": [1],
        "rotate_batch": [1, 2, 3, 4, 5, 6],
        "rotate_before_drop": [1],
    },
}

# Passed by an event on its way to a webhook: test_webhooks.py.
WEBHOOK = ["webhook_before_queue", "webhook_after_queue", "webhook_sent"]
# Where its sender is held, and does not die.
WEBHOOK_GATE = ["webhook_looked"]

# Passed when a job is ended early: test_fault_points.py names each.
EARLY_END = ["after_step_cut_short"]

# Not in a job's life: the unit test that dies there.
UNIT = {
    "spool_remove": "test_spool_retain.c",
    "spool_ring_begin": "test_spool_ring.c",
    "spool_ring_header": "test_spool_ring.c",
    "spool_ring_hole": "test_spool_ring.c",
}


def in_sources() -> dict[str, str]:
    """Each point and the place where it stands."""
    found = {}
    for folder, _, names in os.walk(os.path.join(ROOT, "src")):
        for name in sorted(names):
            if not name.endswith(".c"):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as source:
                for number, line in enumerate(source, 1):
                    for point in re.findall(r'\bFAULT\("(\w+)"\)', line):
                        found[point] = f"{os.path.relpath(path, ROOT)}:{number}"
    return found


if __name__ == "__main__":
    for point, place in sorted(in_sources().items()):
        print(f"{point:28} {place}")
