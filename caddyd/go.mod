module core.internal/caddyd

go 1.26.0
