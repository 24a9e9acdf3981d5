module core.internal/services/beta

go 1.26.0
