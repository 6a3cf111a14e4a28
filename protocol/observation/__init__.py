"""What is told of the system to those who watch it: the numbers of the metrics page, the audit."""
