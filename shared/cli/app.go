package cli

import (
	"context"
	"time"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/pipeline"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// App is what a program with this command line can do beside talking to a
// running node.
type App struct {
	Name    string // of the program
	Version string
	// Up brings a node up, tells when it is up, and returns when it is down
	// again, because ctx ended or somebody asked for it.
	Up func(ctx context.Context, b Boot) error
	// End takes down what a launcher left that was killed, and reports whether
	// anything still ran.
	End func(ctx context.Context, b Boot) (ran bool, err error)
	// Pipelines lists what a node of these settings can run.
	Pipelines func(config.Node) ([]pipeline.Description, error)
	// Specs says where a node of these settings finds its specs.
	Specs func(config.Node) spec.Dirs
}

// Boot is what [App.Up] and [App.End] get.
type Boot struct {
	Config  config.Node
	Environ []string
	// Progress is told each step, from one goroutine at a time.
	Progress func(StageEvent)
	// Up is called once, when the node is up; nil for End.
	Up func(Summary)
}

// StageEvent is one step of a boot or teardown.
type StageEvent = render.StageEvent

// Summary says what is up.
type Summary struct {
	BusURL     string      `json:"bus_url"`
	EdgeURL    string      `json:"edge_url,omitempty"`
	ConsoleURL string      `json:"console_url,omitempty"` // with the login token
	Stages     []StageTime `json:"stages"`
	// Took is the time from the start to the last stage.
	Took  time.Duration `json:"took"`
	State state.State   `json:"state"`
}

// StageTime is how long one stage took.
type StageTime struct {
	Stage events.Entity `json:"stage"`
	Took  time.Duration `json:"took"`
}
