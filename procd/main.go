// Command procd keeps the services of a node running; see package controller.
package main

import (
	"core.internal/procd/controller"
	"core.internal/shared/daemon"
)

func main() { daemon.Main(controller.Definition()) }
