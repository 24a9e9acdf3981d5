module core.internal/services/alpha

go 1.26.0
