module core.internal/launcher

go 1.26.0
