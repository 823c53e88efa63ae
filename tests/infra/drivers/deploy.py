"""``python deploy.py HOME [wait]``: what ``datamill up`` does, as a process that tests can kill.

With ``wait`` it holds the writer lock until it is killed.
"""

import signal
import sys
import time
from pathlib import Path

from datamill_infra.drivers.lock import writer_lock
from datamill_infra.drivers.rollout import Rollout
from datamill_infra.model.deployment import Deployment
from datamill_infra.model.errors import DatamillError


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


# As a terminal starts it: whoever started the tests may have had them ignored (nohup, a job in the background).
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
deployment = Deployment.load(Path(sys.argv[1]))
rollout = Rollout(deployment)
try:
    with writer_lock(deployment, "a deploy script"):
        outcomes = rollout.up(on_event=lambda event: say(event.component, event.state))
        say("done")
        while "wait" in sys.argv:
            time.sleep(1)
except DatamillError as error:
    say(str(error))
    sys.exit(error.exit_code)
sys.exit(0 if all(outcome.succeeded for outcome in outcomes.values()) else 1)
