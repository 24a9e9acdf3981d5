module core.internal/tools

go 1.26.0

require (
	golang.org/x/mod v0.42.0
	golang.org/x/tools v0.52.0
)

require golang.org/x/sync v0.24.0 // indirect

tool (
	github.com/caddyserver/caddy/v2/cmd/caddy
	github.com/nats-io/nats-server/v2
	honnef.co/go/tools/cmd/staticcheck
)

require (
	github.com/caddyserver/caddy/v2 v2.11.9
	github.com/creack/pty v1.1.24
	github.com/nats-io/nats-server/v2 v2.15.2
	honnef.co/go/tools v0.8.2
)
