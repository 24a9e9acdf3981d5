package ui

import (
	"time"

	"core.internal/shared/events"
	"core.internal/shared/pipeline"
)

// Tone is how good something is. Shells map it to colours, and show it by more
// than colour.
type Tone string

// The tones; there are no others.
const (
	Idle Tone = "idle" // neither good nor bad
	OK   Tone = "ok"
	Warn Tone = "warn" // on its way, or worth a look
	Bad  Tone = "bad"
)

// Badge is a short text with a tone.
type Badge struct {
	Text string `json:"text"`
	Tone Tone   `json:"tone"`
}

// Options are what a page needs beside the state.
type Options struct {
	Now time.Time
	// Pipelines are those that the node offers; none if empty.
	Pipelines []pipeline.Description
	// Usage is what the processes of services use; may be empty.
	Usage events.Usage
}

// Page is everything that a shell shows of a node.
type Page struct {
	Node      Node       `json:"node"`
	Stages    []Stage    `json:"stages"`    // in boot order
	Daemons   []Service  `json:"daemons"`   // in the order in which they start
	Services  []Service  `json:"services"`  // by id, replicas by number
	Groups    []Group    `json:"groups"`    // specs of which there are replicas, by id
	Runs      []Run      `json:"runs"`      // newest first
	Pipelines []Pipeline `json:"pipelines"` // by name
	Routes    []Route    `json:"routes"`    // by service, or by spec where replicas share it
	Alerts    []Alert    `json:"alerts"`    // worst first
}

// Node is the head of a page.
type Node struct {
	Name    events.Node `json:"name"`
	State   Badge       `json:"state"`
	Summary string      `json:"summary"` // "3 of 3 services healthy"
	Version string      `json:"version"` // of the daemons; empty where they differ
	Since   time.Time   `json:"since"`   // when the last stage became what it is
	Age     string      `json:"age"`
	Seq     uint64      `json:"seq"`
	EdgeURL string      `json:"edge_url"` // empty where there is none
	Actions []Offer     `json:"actions"`
}

// Stage is one row of the stages.
type Stage struct {
	Name   events.Entity `json:"name"`
	Index  int           `json:"index"`
	State  Badge         `json:"state"`
	Took   string        `json:"took"`
	Since  time.Time     `json:"since"`
	Age    string        `json:"age"`
	Reason string        `json:"reason"`
	Fix    string        `json:"fix"`
}

// Service is one row of the services or daemons.
type Service struct {
	ID          events.Entity `json:"id"`
	Icon        string        `json:"icon"`
	Name        string        `json:"name"`
	Description string        `json:"description"`
	Required    bool          `json:"required"`
	DependsOn   []string      `json:"depends_on"`
	Desired     string        `json:"desired"`
	State       Badge         `json:"state"`
	Health      Badge         `json:"health"`
	PID         int           `json:"pid"` // 0 where none runs
	Restarts    int           `json:"restarts"`
	Usage       *Usage        `json:"usage,omitempty"` // where it runs and was sampled
	Since       time.Time     `json:"since"`           // of State
	Age         string        `json:"age"`
	Ports       []events.Port `json:"ports"`
	PortsText   string        `json:"ports_text"` // "8081, metrics 9121"
	Version     string        `json:"version"`    // as it said itself; may be empty
	// Endpoints are the addresses that it stated itself, by purpose.
	Endpoints []Endpoint `json:"endpoints"`
	// Address is where it answers through the edge, and Addresses all such; empty
	// where the edge does not expose it.
	Address   string   `json:"address"`
	Addresses []string `json:"addresses"`
	Reason    string   `json:"reason"`
	LastLines []string `json:"last_lines"` // before its last unexpected exit, if it is down
	Actions   []Offer  `json:"actions"`
	// Group is the spec of which it is one of several replicas; empty for none.
	Group events.Entity `json:"group"`
}

// Group is a spec of which there are several replicas. What is done to it is
// done to all of them.
type Group struct {
	ID       events.Entity   `json:"id"`
	Replicas []events.Entity `json:"replicas"`
	State    Badge           `json:"state"` // "2 of 3 healthy"
	Actions  []Offer         `json:"actions"`
}

// Usage is what the processes of a service use, in words.
type Usage struct {
	CPU     string `json:"cpu"`      // "12.5%" of one core
	Memory  string `json:"memory"`   // "41.2MB", resident
	OpenFDs string `json:"open_fds"` // empty where they may not be counted
	Uptime  string `json:"uptime"`   // since it was started or adopted
	Check   string `json:"check"`    // how long the last health check took; empty without one
}

// Endpoint is an address and what it is for.
type Endpoint struct {
	Purpose string `json:"purpose"`
	Address string `json:"address"`
}

// Run is one row of the pipeline runs.
type Run struct {
	ID       events.Entity `json:"id"`
	Pipeline string        `json:"pipeline"`
	Params   []string      `json:"params"` // "key=value"
	State    Badge         `json:"state"`
	Progress string        `json:"progress"` // "3 of 5 steps"
	Steps    []Step        `json:"steps"`
	Began    time.Time     `json:"began"`
	Age      string        `json:"age"`  // since it began
	Took     string        `json:"took"` // until it ended, or until now
	Reason   string        `json:"reason"`
	Ended    bool          `json:"ended"`
	Actions  []Offer       `json:"actions"`
}

// Step is one step of a run.
type Step struct {
	Name   string   `json:"name"`
	After  []string `json:"after"`
	State  Badge    `json:"state"`
	Took   string   `json:"took"`
	Reason string   `json:"reason"`
}

// Pipeline is one pipeline that can be run.
type Pipeline struct {
	Name    string           `json:"name"`
	About   string           `json:"about"`
	Params  []pipeline.Param `json:"params"`
	Steps   int              `json:"steps"` // for the default parameters
	Actions []Offer          `json:"actions"`
}

// Route is one row of the routes.
type Route struct {
	Service   events.Entity `json:"service"`
	State     Badge         `json:"state"`
	Addresses []string      `json:"addresses"`
	Upstreams []string      `json:"upstreams"`
	Since     time.Time     `json:"since"`
	Age       string        `json:"age"`
	Reason    string        `json:"reason"`
}

// Alert is something that an operator should know.
type Alert struct {
	Tone  Tone      `json:"tone"`
	Title string    `json:"title"`
	Text  string    `json:"text"`
	Fix   string    `json:"fix"`
	Lines []string  `json:"lines"` // the last log lines, oldest first
	Since time.Time `json:"since"`
}

// Offer is an action as it can be done to one thing now.
type Offer struct {
	ID      ActionID `json:"id"`
	Label   string   `json:"label"`
	Key     string   `json:"key"`
	About   string   `json:"about"`
	Method  string   `json:"method"`
	Path    string   `json:"path"`
	Confirm string   `json:"confirm"` // the question to ask first; empty for none
	Enabled bool     `json:"enabled"`
	Reason  string   `json:"reason"` // why it is not enabled
}
