"""What operators see from outside: the numbers of the gateway and the kernel, health, Prometheus metrics."""
