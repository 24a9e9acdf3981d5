module core.internal/busd

go 1.26.0
