package events

// Facts about the node's stages, stated by the launcher; the entity is the stage.
type (
	// StageStarting says that the launcher has begun a stage.
	StageStarting struct {
		Index int `json:"index"` // its place in the boot graph, from 1
	}
	// StageReady says that everything the stage promises is there.
	StageReady struct {
		Index  int     `json:"index"`
		TookMS float64 `json:"took_ms"`
	}
	// StageFailed says why the node cannot come up, or not stay up.
	StageFailed struct {
		Index     int      `json:"index"`
		Reason    string   `json:"reason"`
		Fix       string   `json:"fix,omitempty"`
		LastLines []string `json:"last_lines,omitempty"`
	}
	// StageStopping says that the stage is being torn down.
	StageStopping struct {
		Index int `json:"index"`
	}
	// StageStopped says that nothing of the stage is left.
	StageStopped struct {
		Index  int     `json:"index"`
		TookMS float64 `json:"took_ms"`
	}
)

// OrphansEntity is the entity of the launcher's facts about processes that it
// reaped for a supervisor that was gone.
const OrphansEntity Entity = "orphans"

// ProcessReaped tells the exit of a process whose own supervisor had ended.
type ProcessReaped struct {
	PID    int    `json:"pid"`
	Start  uint64 `json:"start"` // start time in clock ticks since boot, as in /proc/<pid>/stat
	Code   int    `json:"code"`  // exit status; -1 where a signal ended it
	Signal string `json:"signal,omitempty"`
}

// Facts that a daemon states about itself; the entity is its name. A service
// that links shared/service states them about itself too.
type (
	// DaemonReady says that the daemon does its work.
	DaemonReady struct {
		PID     int    `json:"pid"`
		Version string `json:"version"`
		// Addresses by purpose: "metrics", "http", "nats".
		Addresses map[string]string `json:"addresses,omitempty"`
	}
	// DaemonStopped is a daemon's last fact.
	DaemonStopped struct {
		Reason string `json:"reason"`
	}
)

// Facts that caddyd states about the edge; the entity is the service routed to.
type (
	// RouteOpened says that requests are forwarded.
	RouteOpened struct {
		Routes []Route `json:"routes"`
	}
	// RouteClosed says that requests are answered with 503.
	RouteClosed struct {
		Routes []Route `json:"routes"`
		Reason string  `json:"reason"`
	}
	// RouteRemoved says that the edge does not know the service any more.
	RouteRemoved struct{}
	// RouteRefused says why the edge could not take a service's routes.
	RouteRefused struct {
		Reason string `json:"reason"`
	}
)

// Facts that busd states about the bus; the entity is [ClientsEntity].
type (
	// ClientRefused says that somebody was turned away.
	ClientRefused struct {
		User    string `json:"user,omitempty"` // as presented: a name or public key
		Address string `json:"address"`
		Reason  string `json:"reason"`
		Count   int    `json:"count"` // refusals in all since the bus came up
	}
)

// ClientsEntity is the entity of busd's facts about clients.
const ClientsEntity Entity = "clients"

// Facts that procd states about the specs that it finds; the entity is
// [SpecsEntity].
type (
	// SpecsRefused says that procd found specs that are wrong, when it came back
	// or read them again. It takes none of them: what was registered before
	// stays.
	SpecsRefused struct {
		Reason string `json:"reason"` // one error a line
	}
	// SpecsAccepted says that they are right again.
	SpecsAccepted struct{}
	// SpecsApplied says that specs which were read again are in force, and what
	// becomes of which services; those that are not named go on as they were. What
	// is stated of the services in consequence names it as its cause, and may stand
	// before it.
	SpecsApplied struct {
		Added    []string `json:"added,omitempty"`
		Removed  []string `json:"removed,omitempty"`
		Changed  []string `json:"changed,omitempty"`  // and have it without a new instance
		Replaced []string `json:"replaced,omitempty"` // changed, by a new instance
	}
)

// SpecsEntity is the entity of procd's facts about specs.
const SpecsEntity Entity = "specs"

// Facts that procd states about what operators decided; the entity is
// [DecisionsEntity].
type (
	// DecisionsDamaged says that a procd which came back cannot read the record of
	// what operators decided. It goes on with what the bus has of it.
	DecisionsDamaged struct {
		Reason string `json:"reason"` // names the file, and says what to do
		// Known are the services about which the bus has a decision; the others
		// are as their profiles say, whatever was decided.
		Known []string `json:"known,omitempty"`
	}
	// DecisionsMended says that decisions are recorded again.
	DecisionsMended struct{}
)

// DecisionsEntity is the entity of procd's facts about what operators decided.
const DecisionsEntity Entity = "decisions"

// Kept is the body of the facts about a message that no fold understands.
type Kept struct {
	Seq     uint64 `json:"seq"`
	Subject string `json:"subject"`
	Reason  string `json:"reason"`
	Excerpt []byte `json:"excerpt"` // the first bytes, base64 in JSON
	Size    int    `json:"size"`
}

// DeadEntity is the entity of the facts about messages kept aside.
const DeadEntity Entity = "dead"

// Messages kept aside, by [Kind].
type (
	DeadMalformed struct{ Kept }
	DeadOversized struct{ Kept }
	DeadUnknown   struct{ Kept }
)

func (StageStarting) EventType() Type { return "stage.starting" }
func (StageReady) EventType() Type    { return "stage.ready" }
func (StageFailed) EventType() Type   { return "stage.failed" }
func (StageStopping) EventType() Type { return "stage.stopping" }
func (StageStopped) EventType() Type  { return "stage.stopped" }
func (ProcessReaped) EventType() Type { return "process.reaped" }
func (DaemonReady) EventType() Type   { return "daemon.ready" }
func (DaemonStopped) EventType() Type { return "daemon.stopped" }
func (RouteOpened) EventType() Type   { return "route.opened" }
func (RouteClosed) EventType() Type   { return "route.closed" }
func (RouteRemoved) EventType() Type  { return "route.removed" }
func (RouteRefused) EventType() Type  { return "route.refused" }
func (ClientRefused) EventType() Type { return "client.refused" }
func (SpecsRefused) EventType() Type  { return "specs.refused" }
func (SpecsAccepted) EventType() Type { return "specs.accepted" }
func (SpecsApplied) EventType() Type  { return "specs.applied" }

func (DecisionsDamaged) EventType() Type { return "decisions.damaged" }
func (DecisionsMended) EventType() Type  { return "decisions.mended" }
func (DeadMalformed) EventType() Type    { return "dead.malformed" }
func (DeadOversized) EventType() Type    { return "dead.oversized" }
func (DeadUnknown) EventType() Type      { return "dead.unknown" }

func (StageStarting) EventVersion() int { return 1 }
func (StageReady) EventVersion() int    { return 1 }
func (StageFailed) EventVersion() int   { return 1 }
func (StageStopping) EventVersion() int { return 1 }
func (StageStopped) EventVersion() int  { return 1 }
func (ProcessReaped) EventVersion() int { return 1 }
func (DaemonReady) EventVersion() int   { return 1 }
func (DaemonStopped) EventVersion() int { return 1 }
func (RouteOpened) EventVersion() int   { return 1 }
func (RouteClosed) EventVersion() int   { return 1 }
func (RouteRemoved) EventVersion() int  { return 1 }
func (RouteRefused) EventVersion() int  { return 1 }
func (ClientRefused) EventVersion() int { return 1 }
func (SpecsRefused) EventVersion() int  { return 1 }
func (SpecsAccepted) EventVersion() int { return 1 }
func (SpecsApplied) EventVersion() int  { return 1 }

func (DecisionsDamaged) EventVersion() int { return 1 }
func (DecisionsMended) EventVersion() int  { return 1 }
func (DeadMalformed) EventVersion() int    { return 1 }
func (DeadOversized) EventVersion() int    { return 1 }
func (DeadUnknown) EventVersion() int      { return 1 }
