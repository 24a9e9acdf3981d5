module core.internal/services/console

go 1.26.0
