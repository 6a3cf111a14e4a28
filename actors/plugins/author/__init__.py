"""What authors of plugins write with; they import it from `nflow_runtime`."""
