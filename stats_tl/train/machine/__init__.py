"""The machine: devices, workers, memory, shared scratch files, versions."""
