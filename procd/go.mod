module core.internal/procd

go 1.26.0
