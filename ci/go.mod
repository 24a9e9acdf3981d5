module core.internal/ci

go 1.26.0
