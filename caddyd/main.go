// Command caddyd is the edge: it serves HTTP and forwards to healthy services.
package main

import (
	"core.internal/caddyd/caddy"
	"core.internal/shared/daemon"
)

func main() { daemon.Main(caddy.Definition()) }
