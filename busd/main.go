// Command busd is the bus of a node; see package bus.
package main

import (
	"core.internal/busd/bus"
	"core.internal/shared/daemon"
)

func main() { daemon.Main(bus.Definition()) }
