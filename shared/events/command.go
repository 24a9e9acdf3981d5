package events

// Requests. The entity of the first six is a service and their target procd.
type (
	EnableService  struct{} // wanted now and at every boot
	DisableService struct{} // wanted neither now nor at boot
	StartService   struct{} // wanted now, whatever holds at boot
	StopService    struct{} // not wanted until started, or until the next boot
	RestartService struct{} // a new instance; a failed service begins anew
	ReloadService  struct{} // the running instance is to read its configuration again

	// ApplySpecs asks procd to read the specs again and to do what that
	// changes; the entity is [SpecsEntity].
	ApplySpecs struct{}
	// DrainServices asks procd to stop every service in reverse order.
	DrainServices struct{}
	// ShutdownNode asks the launcher to take the node down.
	ShutdownNode struct{}

	// RunPipeline asks pipelined for a run; the entity is the new run's name.
	RunPipeline struct {
		Pipeline string            `json:"pipeline"`
		Params   map[string]string `json:"params,omitempty"`
	}
	// CancelRun asks pipelined to end the run that is the entity.
	CancelRun struct{}
)

// NodeEntity is the entity of requests that concern a node as a whole.
const NodeEntity Entity = "node"

// Outcomes of a request: facts whose cause is the request's id, stated by its
// target about the same entity.
type (
	CommandAccepted struct {
		Verb Verb `json:"verb"`
		// By is who asked, where its target says so.
		By Source `json:"by,omitempty"`
	}
	CommandRejected struct {
		Verb   Verb   `json:"verb"`
		Reason string `json:"reason"`
	}
	CommandCompleted struct {
		Verb Verb `json:"verb"`
	}
	CommandFailed struct {
		Verb   Verb   `json:"verb"`
		Reason string `json:"reason"`
	}
)

func (EnableService) EventType() Type    { return "request.enable" }
func (DisableService) EventType() Type   { return "request.disable" }
func (StartService) EventType() Type     { return "request.start" }
func (StopService) EventType() Type      { return "request.stop" }
func (RestartService) EventType() Type   { return "request.restart" }
func (ReloadService) EventType() Type    { return "request.reload" }
func (ApplySpecs) EventType() Type       { return "request.apply" }
func (DrainServices) EventType() Type    { return "request.drain" }
func (ShutdownNode) EventType() Type     { return "request.shutdown" }
func (RunPipeline) EventType() Type      { return "request.run" }
func (CancelRun) EventType() Type        { return "request.cancel" }
func (CommandAccepted) EventType() Type  { return "command.accepted" }
func (CommandRejected) EventType() Type  { return "command.rejected" }
func (CommandCompleted) EventType() Type { return "command.completed" }
func (CommandFailed) EventType() Type    { return "command.failed" }

func (EnableService) EventVersion() int    { return 1 }
func (DisableService) EventVersion() int   { return 1 }
func (StartService) EventVersion() int     { return 1 }
func (StopService) EventVersion() int      { return 1 }
func (RestartService) EventVersion() int   { return 1 }
func (ReloadService) EventVersion() int    { return 1 }
func (ApplySpecs) EventVersion() int       { return 1 }
func (DrainServices) EventVersion() int    { return 1 }
func (ShutdownNode) EventVersion() int     { return 1 }
func (RunPipeline) EventVersion() int      { return 1 }
func (CancelRun) EventVersion() int        { return 1 }
func (CommandAccepted) EventVersion() int  { return 1 }
func (CommandRejected) EventVersion() int  { return 1 }
func (CommandCompleted) EventVersion() int { return 1 }
func (CommandFailed) EventVersion() int    { return 1 }

// Verb returns the last token of a request's subject.
func (t Type) Verb() Verb { return Verb(t.Fact()) }

// bodies lists every body type of the platform.
func bodies() []Body {
	return []Body{
		StageStarting{}, StageReady{}, StageFailed{}, StageStopping{}, StageStopped{},
		DaemonReady{}, DaemonStopped{}, ProcessReaped{},
		ServiceRegistered{}, ServiceUnregistered{}, ServiceDesired{}, ServiceWaiting{}, ServiceScheduled{}, ServiceStarting{}, ServicePrepared{},
		ServiceStarted{}, ServiceRerouted{}, ServiceHealthy{}, ServiceUnhealthy{}, ServiceUnready{}, ServiceLinesDropped{}, ServiceStopping{}, ServiceExited{},
		ServiceBackedOff{}, ServiceExhausted{}, ServiceCompleted{}, ServiceStopped{},
		RouteOpened{}, RouteClosed{}, RouteRemoved{}, RouteRefused{},
		RunStarted{}, RunAdvanced{}, RunEnded{}, StepBegan{}, StepCancelling{}, StepEnded{},
		DepInstalling{}, DepInstalled{}, DepFailed{},
		ClientRefused{}, SpecsRefused{}, SpecsAccepted{}, SpecsApplied{}, DecisionsDamaged{}, DecisionsMended{}, DeadMalformed{}, DeadOversized{}, DeadUnknown{},
		EnableService{}, DisableService{}, StartService{}, StopService{}, RestartService{}, ReloadService{},
		ApplySpecs{}, DrainServices{}, ShutdownNode{}, RunPipeline{}, CancelRun{},
		CommandAccepted{}, CommandRejected{}, CommandCompleted{}, CommandFailed{},
	}
}
