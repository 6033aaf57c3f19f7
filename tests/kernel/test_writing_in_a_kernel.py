"""What a kernel was told to store is on disk when it has ended, and the list says what is not there yet."""

import snapshot

VARIABLES = "import numpy as np\nW = np.arange(4_000_000.0)\n"

HELD = """
import threading
from snapshot.repository.writer import Writer

gate, reached, ordinary = threading.Event(), threading.Event(), Writer.commit

def held(self, entry):
    reached.set()
    gate.wait(60)
    ordinary(self, entry)

Writer.commit = held
"""


def test_a_kernel_that_is_shut_down_has_written_what_it_stored(start):
    kernel = start()
    kernel.run("%load_ext snapshot\n" + VARIABLES)
    kernel.run("for step in range(8):\n    W += 1\n    %snapshot store --step {step}")
    kernel.leave()
    stored = snapshot.open(kernel.folder / "snapshots.zarr")
    assert [(snap.step, float(snap["W"][0])) for snap in stored.timeline] == [(n, n + 1) for n in range(8)]


def test_the_list_and_the_overview_say_what_is_being_written(kernel):
    kernel.run(VARIABLES + "%snapshot store first\n%snapshot flush")
    kernel.run(HELD)
    kernel.run("W += 1\n%snapshot store second\nreached.wait(60)")
    lines = kernel.run("%snapshot list").text.splitlines()
    assert "on disk" in next(line for line in lines if " first " in line)
    assert "writing" in next(line for line in lines if " second " in line)
    assert "1 on their way" in kernel.run("%snapshot").text
    kernel.run("gate.set()\nWriter.commit = ordinary\n%snapshot flush")
    assert "writing" not in kernel.run("%snapshot list").text + kernel.run("%snapshot").text


def test_what_could_not_be_written_is_said_in_the_next_cell_and_in_the_list(kernel):
    kernel.run(VARIABLES + HELD)
    kernel.run("def held(self, entry):\n    raise OSError(28, 'No space left on device')\nWriter.commit = held")
    kernel.run("%snapshot store lost")
    kernel.run("outbox = get_ipython()._snapshot_door.workspace._parts.archive._outbox")
    kernel.run("outbox.wait()")
    answer = kernel.run("%snapshot store next")
    assert "could not be written to disk: [Errno 28] No space left on device" in answer.err
    listed = kernel.run("%snapshot list").text
    assert "memory only: [Errno 28] No space left on device" in listed
    kernel.run("W[:] = -1\n%snapshot restore lost")
    assert kernel["float(W[3])"] == 3.0
    kernel.run("outbox.wait(); Writer.commit = ordinary\n%snapshot flush")
    assert "memory only" not in kernel.run("%snapshot list").text
