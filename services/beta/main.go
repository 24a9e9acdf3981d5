// Command beta serves the tally of greetings that alpha states. See package cli.
package main

import (
	_ "embed"
	"os"

	"core.internal/shared/service"

	"core.internal/services/beta/cli"
)

//go:embed service.json
var document []byte

func main() { os.Exit(service.Main(cli.Command(document))) }
