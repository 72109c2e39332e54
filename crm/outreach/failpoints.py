"""The failpoints, under the name that this domain used so far."""

from crm.failpoints import Failpoint, arm, reach

__all__ = ["Failpoint", "arm", "reach"]
