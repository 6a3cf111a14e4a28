"""What is told of the system to those who watch it: the tracker's rows, the numbers of the metrics page, the audit."""
