// Command console is the web shell of a node. See package cli.
package main

import (
	_ "embed"
	"os"

	"core.internal/shared/service"

	"core.internal/services/console/cli"
)

//go:embed service.json
var document []byte

func main() { os.Exit(service.Main(cli.Command(document))) }
