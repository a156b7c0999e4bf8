"""Memory: lanes (precision, recompute, offload) that fit a training into a device, and the plan that chooses one."""
