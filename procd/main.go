// Command procd keeps the services of a node running; see package controller.
package main

import (
	"os"

	"core.internal/procd/controller"
	"core.internal/procd/process"
	"core.internal/shared/daemon"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == process.Wrapper {
		process.Wrap()
	}
	daemon.Main(controller.Definition(process.Nursery()))
}
