// Command alpha counts greetings over HTTP. See package cli.
package main

import (
	_ "embed"
	"os"

	"core.internal/shared/service"

	"core.internal/services/alpha/cli"
)

//go:embed service.json
var document []byte

func main() { os.Exit(service.Main(cli.Command(document))) }
