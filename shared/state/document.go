package state

import (
	"cmp"
	"slices"
	"time"

	"core.internal/shared/events"
)

// StatusVersion is the version of [Status]; fields are only ever added to it.
const StatusVersion = 1

// Status is the stable document of `launcher status --output json`.
type Status struct {
	Version  int             `json:"version"`
	Node     events.Node     `json:"node"`
	Seq      uint64          `json:"seq"`
	Stages   []StatusStage   `json:"stages"`   // in boot order
	Services []StatusService `json:"services"` // by id
	Runs     []StatusRun     `json:"runs"`     // oldest first
	Routes   []StatusRoute   `json:"routes"`   // by service
	// SpecsRefused says why procd keeps the specs it had instead of those it finds.
	SpecsRefused string `json:"specs_refused,omitempty"`
	// DecisionsDamaged says why the record of what operators decided cannot be used,
	// and what to do.
	DecisionsDamaged string `json:"decisions_damaged,omitempty"`
	// Launcher is there where who writes the document knows it.
	Launcher *StatusLauncher `json:"launcher,omitempty"`
}

// StatusLauncher is the launcher of the node.
type StatusLauncher struct {
	PID     int  `json:"pid"`     // the last known
	Running bool `json:"running"` // if not, the daemons run on without it
}

// StatusStage is one stage.
type StatusStage struct {
	Name  events.Entity `json:"name"`
	State StageState    `json:"state"`
	Since time.Time     `json:"since"`
	Took  float64       `json:"took"` // milliseconds to become ready, or to stop
	// Reason and Fix are there for a failed stage.
	Reason string `json:"reason,omitempty"`
	Fix    string `json:"fix,omitempty"`
}

// StatusService is one service.
type StatusService struct {
	ID       events.Entity `json:"id"`
	Node     events.Node   `json:"node"`
	Desired  string        `json:"desired"` // see [Service.Want]
	State    ServiceState  `json:"state"`
	Health   Health        `json:"health"`
	PID      int           `json:"pid"`
	Restarts int           `json:"restarts"`
	Since    time.Time     `json:"since"`
	Ports    []events.Port `json:"ports"`
	Reason   string        `json:"reason"`
	// ReplicaOf is the spec of which the service is one of several replicas.
	ReplicaOf string `json:"replica_of,omitempty"`
	// Next is a cron job's next run, where it waits for it.
	Next time.Time `json:"next,omitzero"`
	// Usage is there where it was asked for and the instance was sampled.
	Usage *events.ServiceUsage `json:"usage,omitempty"`
}

// StatusRun is one run of a pipeline.
type StatusRun struct {
	ID       events.Entity       `json:"id"`
	Pipeline string              `json:"pipeline"`
	State    events.StepState    `json:"state"`
	Began    time.Time           `json:"began"`
	Since    time.Time           `json:"since"`
	Steps    []events.StepStatus `json:"steps"`
	Reason   string              `json:"reason"`
}

// StatusRoute is one service's exposure.
type StatusRoute struct {
	Service events.Entity  `json:"service"`
	State   RouteState     `json:"state"`
	Since   time.Time      `json:"since"`
	Routes  []events.Route `json:"routes"`
	Reason  string         `json:"reason"`
}

// Document renders s for programs to read.
func Document(s State) Status { return DocumentWith(s, events.Usage{}) }

// DocumentWith is Document with what the services' processes use.
func DocumentWith(s State, u events.Usage) Status {
	d := Status{
		Version: StatusVersion, Node: s.Node, Seq: s.Seq,
		Stages: []StatusStage{}, Services: []StatusService{}, Runs: []StatusRun{}, Routes: []StatusRoute{},
		SpecsRefused: s.Specs.Reason, DecisionsDamaged: s.Decisions.Reason,
	}
	for _, g := range s.SortedStages() {
		d.Stages = append(d.Stages, StatusStage{g.Name, g.State, g.Since, g.TookMS, g.Reason, g.Fix})
	}
	for _, v := range Sorted(s.Services) {
		var next time.Time
		if v.State == ServiceScheduled {
			next = v.Until
		}
		row := StatusService{
			v.ID, v.Node, v.Want(), v.State, v.Health, v.PID, v.Restarts, v.Since, list(v.Ports), v.Why(), v.Registered.ReplicaOf, next, nil,
		}
		if one, ok := u.Of(v.ID, v.Instance); ok {
			row.Usage = &one
		}
		d.Services = append(d.Services, row)
	}
	for _, r := range s.SortedRuns() {
		d.Runs = append(d.Runs, StatusRun{r.ID, r.Pipeline, r.State, r.Began, r.Since, list(r.Steps), r.Reason})
	}
	for _, r := range Sorted(s.Routes) {
		d.Routes = append(d.Routes, StatusRoute{r.Service, r.State, r.Since, list(r.Routes), s.RouteReason(r.Service)})
	}
	return d
}

// Sorted returns the values of one of a state's maps by key.
func Sorted[K cmp.Ordered, V any](m map[K]V) []V {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := make([]V, len(keys))
	for i, k := range keys {
		out[i] = m[k]
	}
	return out
}

// SortedStages returns the stages in boot order.
func (s State) SortedStages() []Stage {
	all := Sorted(s.Stages)
	slices.SortStableFunc(all, func(a, b Stage) int { return cmp.Compare(a.Index, b.Index) })
	return all
}

// SortedRuns returns the runs in the order in which they began.
func (s State) SortedRuns() []Run {
	all := Sorted(s.Runs)
	slices.SortStableFunc(all, func(a, b Run) int { return a.Began.Compare(b.Began) })
	return all
}

func list[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}
