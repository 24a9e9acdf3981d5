// Command pipelined runs the pipelines of a node; see package pipeline.
package main

import (
	"core.internal/pipelined/pipeline"
	"core.internal/shared/daemon"
)

func main() { daemon.Main(pipeline.Definition()) }
