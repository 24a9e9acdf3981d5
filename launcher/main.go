// Command launcher brings a node up, and talks to one that is up.
package main

import (
	"context"
	"os"

	"core.internal/launcher/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
