module core.internal/pipelined

go 1.26.0
