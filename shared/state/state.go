package state

import (
	"slices"
	"time"

	"core.internal/shared/events"
)

// Version of the encoded [State]; a snapshot of another version is not used.
const Version = 1

// State is what the facts of one node add up to. It is a value: Fold returns a
// new one and shares with the old what did not change, so nobody may write into
// its maps. Encoded as JSON, equal states are equal bytes.
type State struct {
	Version int         `json:"version"`
	Node    events.Node `json:"node"`
	// Seq is the sequence of the last record folded.
	Seq uint64 `json:"seq"`

	Stages   map[events.Entity]Stage   `json:"stages"`
	Daemons  map[events.Entity]Service `json:"daemons"` // supervised by the launcher
	Services map[events.Entity]Service `json:"services"`
	Routes   map[events.Entity]Route   `json:"routes"`
	Runs     map[events.Entity]Run     `json:"runs"`
	// Ready has what each daemon and service last said of itself.
	Ready map[events.Source]Ready `json:"ready"`
	// Outcomes are the latest command outcomes, newest last, at most [MaxOutcomes].
	Outcomes  []Outcome `json:"outcomes"`
	Refused   Refused   `json:"refused"`
	Specs     Specs     `json:"specs,omitzero"`
	Decisions Decisions `json:"decisions,omitzero"`
	Dead      Dead      `json:"dead"`
}

// Bounds of what a state remembers.
const (
	MaxOutcomes = 256
	MaxRuns     = 64 // ended runs beyond it are forgotten, oldest first
)

// StageState is where a stage of the boot graph stands.
type StageState string

// Stage states. pending → starting → ready → stopping → stopped; starting and
// ready may become failed.
const (
	StagePending  StageState = "pending"
	StageStarting StageState = "starting"
	StageReady    StageState = "ready"
	StageFailed   StageState = "failed"
	StageStopping StageState = "stopping"
	StageStopped  StageState = "stopped"
)

// Stage is one stage of the boot graph.
type Stage struct {
	Name      events.Entity `json:"name"`
	Index     int           `json:"index"`
	State     StageState    `json:"state"`
	Since     time.Time     `json:"since"`
	TookMS    float64       `json:"took_ms"`
	Reason    string        `json:"reason,omitempty"`
	Fix       string        `json:"fix,omitempty"`
	LastLines []string      `json:"last_lines,omitempty"`
}

// ServiceState is where a supervised process stands.
type ServiceState string

// Service states; see the transition table in this package's documentation.
const (
	ServiceIdle      ServiceState = "idle"      // registered, never asked for
	ServiceWaiting   ServiceState = "waiting"   // wanted, held back
	ServiceScheduled ServiceState = "scheduled" // a cron job between two runs
	ServiceStarting  ServiceState = "starting"  // being started
	ServiceRunning   ServiceState = "running"   // its process runs
	ServiceStopping  ServiceState = "stopping"  // being stopped
	ServiceBackoff   ServiceState = "backoff"   // crashed, to be started again
	ServiceExited    ServiceState = "exited"    // gone, and nothing decided yet
	ServiceCompleted ServiceState = "completed" // ended well, stays ended
	ServiceFailed    ServiceState = "failed"    // ended for good until asked for
	ServiceStopped   ServiceState = "stopped"   // as desired
)

// Health is what the health check says of a running instance.
type Health string

// Health states.
const (
	HealthUnknown   Health = "unknown" // not running, or not checked yet
	HealthHealthy   Health = "healthy"
	HealthUnhealthy Health = "unhealthy"
	HealthUnready   Health = "unready" // it lives, but cannot do its work now
)

// Service is one supervised process.
type Service struct {
	ID         events.Entity            `json:"id"`
	Node       events.Node              `json:"node"`
	Source     events.Source            `json:"source"` // its supervisor
	Registered events.ServiceRegistered `json:"registered"`
	Desired    events.ServiceDesired    `json:"desired"`
	State      ServiceState             `json:"state"`
	Health     Health                   `json:"health"`
	Instance   string                   `json:"instance,omitempty"`
	PID        int                      `json:"pid,omitempty"`
	Restarts   int                      `json:"restarts"`
	Since      time.Time                `json:"since"` // of State
	HealthyAt  time.Time                `json:"healthy_at,omitzero"`
	Ports      []events.Port            `json:"ports,omitempty"`
	Routes     []events.Route           `json:"routes,omitempty"`  // with upstreams, while running
	Answers    events.ID                `json:"answers,omitempty"` // the restart request its instance answers
	Until      time.Time                `json:"until,omitzero"`    // end of the backoff, or the next run
	// Unenforced says which resources of its spec nobody enforces on its instance.
	Unenforced string                `json:"unenforced,omitempty"`
	LastExit   *events.ServiceExited `json:"last_exit,omitempty"`
	Dropped    int                   `json:"dropped,omitempty"` // lines of the instance that did not travel
	Reason     string                `json:"reason,omitempty"`
	Seq        uint64                `json:"seq"` // of its last fact
}

// RouteState is what the edge does with a service's requests.
type RouteState string

// Route states.
const (
	RouteOpen    RouteState = "open"    // forwarded
	RouteClosed  RouteState = "closed"  // answered with 503
	RouteRefused RouteState = "refused" // not served: the edge rejected it
)

// Route is how the edge exposes one service.
type Route struct {
	Service events.Entity  `json:"service"`
	State   RouteState     `json:"state"`
	Routes  []events.Route `json:"routes"`
	Since   time.Time      `json:"since"`
	Reason  string         `json:"reason,omitempty"`
}

// Run is one run of a pipeline.
type Run struct {
	ID       events.Entity       `json:"id"`
	Pipeline string              `json:"pipeline"`
	Params   map[string]string   `json:"params,omitempty"`
	State    events.StepState    `json:"state"`
	Steps    []events.StepStatus `json:"steps"`
	Since    time.Time           `json:"since"` // of State
	Began    time.Time           `json:"began"`
	Reason   string              `json:"reason,omitempty"`
}

// Ready is what a daemon or service last said of itself.
type Ready struct {
	Ready     bool              `json:"ready"`
	PID       int               `json:"pid"`
	Version   string            `json:"version"`
	Addresses map[string]string `json:"addresses,omitempty"`
	Since     time.Time         `json:"since"`
	Reason    string            `json:"reason,omitempty"`
}

// Outcome is how far a command has come.
type Outcome struct {
	Command events.ID     `json:"command"`
	Target  events.Source `json:"target"`
	Entity  events.Entity `json:"entity"`
	Verb    events.Verb   `json:"verb"`
	State   OutcomeState  `json:"state"`
	Reason  string        `json:"reason,omitempty"`
	Time    time.Time     `json:"time"`
}

// OutcomeState is accepted, or one of the final rejected, completed and failed.
type OutcomeState string

// Outcome states.
const (
	OutcomeAccepted  OutcomeState = "accepted"
	OutcomeRejected  OutcomeState = "rejected"
	OutcomeCompleted OutcomeState = "completed"
	OutcomeFailed    OutcomeState = "failed"
)

// Final reports whether nothing more comes.
func (o OutcomeState) Final() bool { return o != OutcomeAccepted }

// Refused counts the clients that the bus turned away.
type Refused struct {
	Count int                   `json:"count"`
	Last  *events.ClientRefused `json:"last,omitempty"`
	Since time.Time             `json:"since,omitzero"`
}

// Specs says why procd does not take the specs that it finds.
type Specs struct {
	Reason string    `json:"reason"` // one error a line
	Since  time.Time `json:"since"`
}

// Decisions says why the record of what operators decided cannot be used; zero where
// it can.
type Decisions struct {
	Reason string    `json:"reason"` // names the file, and says what to do
	Known  []string  `json:"known"`  // services about which the bus had a decision
	Since  time.Time `json:"since"`
}

// Lost reports whether it may be that something was decided about a service and is
// forgotten.
func (d Decisions) Lost(id events.Entity) bool {
	return d.Reason != "" && !slices.Contains(d.Known, string(id))
}

// Dead counts the records that no fold understands.
type Dead struct {
	Count int    `json:"count"`
	Seq   uint64 `json:"seq"` // of the last one
	// Reason of the last one.
	Reason string `json:"reason,omitempty"`
	// Kept is the highest sequence that was kept aside.
	Kept uint64 `json:"kept"`
}
