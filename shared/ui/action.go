package ui

import (
	"net/url"

	"core.internal/shared/events"
	"core.internal/shared/state"
)

// ActionID names an action.
type ActionID string

// The actions.
const (
	ActionEnable   ActionID = "enable"
	ActionDisable  ActionID = "disable"
	ActionStart    ActionID = "start"
	ActionStop     ActionID = "stop"
	ActionRestart  ActionID = "restart"
	ActionReload   ActionID = "reload"
	ActionLogs     ActionID = "logs"
	ActionRun      ActionID = "run"
	ActionCancel   ActionID = "cancel"
	ActionApply    ActionID = "apply"
	ActionShutdown ActionID = "shutdown"
)

// Kind is a kind of thing that an action is about.
type Kind string

// Kinds.
const (
	KindService  Kind = "service"
	KindDaemon   Kind = "daemon"
	KindPipeline Kind = "pipeline"
	KindRun      Kind = "run"
	KindNode     Kind = "node"
)

// Action is one thing that an operator can do, with its face in every shell.
type Action struct {
	ID    ActionID
	Label string // on a button
	Key   string // in the terminal UI
	Verb  string // in the CLI, without the program: "pipeline run"
	Args  string // of the verb, as its usage shows them: "SERVICE…"
	About string // one sentence
	On    []Kind
	// Confirm is the question that shells with buttons and keys ask first; empty
	// for none. A typed verb is its own confirmation.
	Confirm string

	request func(Target) (events.Source, events.Entity, events.Body) // nil where it only shows
	enabled func(state.State, events.Entity) (bool, string)
	// accepted: the request is done with when its target has taken it.
	accepted bool
}

// Target is what a request is about.
type Target struct {
	Node   events.Node
	Entity events.Entity // the service, run or pipeline; unused for the node
	// Run is the name of the new run, see [RunName], and Params its parameters,
	// for the action run.
	Run    events.Entity
	Params map[string]string
}

// Actions lists every action in the order in which shells offer them.
func Actions() []Action {
	service := []Kind{KindService}
	return []Action{
		{ID: ActionStart, Label: "Start", Key: "s", Verb: "start", Args: "SERVICE…", On: service,
			About:   "start services now, whatever holds at boot; a cron job runs at once",
			request: ask(events.Procd, events.StartService{}), enabled: anyOf(canStart)},
		{ID: ActionStop, Label: "Stop", Key: "x", Verb: "stop", Args: "SERVICE…", On: service,
			About:   "stop services until they are started or the next boot",
			Confirm: "Stop it until it is started again?",
			request: ask(events.Procd, events.StopService{}), enabled: anyOf(canStop)},
		{ID: ActionRestart, Label: "Restart", Key: "r", Verb: "restart", Args: "SERVICE…", On: service,
			About:   "replace the running instance of services; a failed service begins anew",
			Confirm: "Replace its running instance?",
			request: ask(events.Procd, events.RestartService{}), enabled: anyOf(canRestart)},
		{ID: ActionReload, Label: "Reload", Key: "o", Verb: "reload", Args: "SERVICE…", On: service,
			About:   "make running services read their configuration again, by the signal that their specs name",
			request: ask(events.Procd, events.ReloadService{}), enabled: anyOf(canReload)},
		{ID: ActionEnable, Label: "Enable", Key: "e", Verb: "enable", Args: "SERVICE…", On: service,
			About:   "start services now and at every boot",
			request: ask(events.Procd, events.EnableService{}), enabled: anyOf(canEnable)},
		{ID: ActionDisable, Label: "Disable", Key: "d", Verb: "disable", Args: "SERVICE…", On: service,
			About:   "stop services now and at every boot",
			Confirm: "Stop it now and keep it stopped at every boot?",
			request: ask(events.Procd, events.DisableService{}), enabled: anyOf(canDisable)},
		{ID: ActionLogs, Label: "Logs", Key: "l", Verb: "logs", Args: "SERVICE…", On: []Kind{KindService, KindDaemon, KindRun},
			About:   "show what a service, daemon or run wrote",
			enabled: canLogs},
		{ID: ActionRun, Label: "Run", Key: "p", Verb: "pipeline run", Args: "NAME [KEY=VALUE…]", On: []Kind{KindPipeline},
			About:   "start a run of a pipeline",
			request: runPipeline, enabled: canRun, accepted: true},
		{ID: ActionCancel, Label: "Cancel", Key: "c", Verb: "pipeline cancel", Args: "RUN", On: []Kind{KindRun},
			About:   "end a run of a pipeline",
			Confirm: "End the run?",
			request: ask(events.Pipelined, events.CancelRun{}), enabled: canCancel},
		{ID: ActionApply, Label: "Apply specs", Key: "a", Verb: "spec apply", On: []Kind{KindNode},
			About:   "read the specs again and do what that changes",
			Confirm: "Read the specs again and restart the services whose specs changed?",
			request: applySpecs, enabled: canApply},
		{ID: ActionShutdown, Label: "Take down", Key: "Q", Verb: "down", On: []Kind{KindNode},
			About:   "take the node down, in reverse order",
			Confirm: "Take the whole node down?",
			request: shutdown, enabled: canShutdown, accepted: true},
	}
}

// Find returns the action with an id.
func Find(id ActionID) (Action, bool) {
	for _, a := range Actions() {
		if a.ID == id {
			return a, true
		}
	}
	return Action{}, false
}

// For lists the actions on one kind of thing.
func For(k Kind) []Action {
	var list []Action
	for _, a := range Actions() {
		for _, on := range a.On {
			if on == k {
				list = append(list, a)
			}
		}
	}
	return list
}

// Sends reports whether the action asks somebody for something; one that does
// not only shows.
func (a Action) Sends() bool { return a.request != nil }

// Enabled reports whether the action makes sense for an entity now, and if not,
// why.
func (a Action) Enabled(s state.State, e events.Entity) (ok bool, reason string) {
	return a.enabled(s, e)
}

// Request is what to send, and where to. It must not be called where Sends is
// false.
func (a Action) Request(t Target) (events.CommandAddress, events.Body) {
	target, entity, body := a.request(t)
	return events.CommandAddress{Node: t.Node, Target: target, Entity: entity, Verb: body.EventType().Verb()}, body
}

// Outcome returns what became of a request, once that is known: how it ended,
// or, for what goes on for long, that it was taken or refused.
func (a Action) Outcome(s state.State, request events.ID) (state.Outcome, bool) {
	o, ok := s.Outcome(request)
	return o, ok && (o.State.Final() || a.accepted)
}

// Method is the HTTP method of the action's web route.
func (a Action) Method() string {
	if a.Sends() {
		return "POST"
	}
	return "GET"
}

// Path is the action's web route for an entity.
func (a Action) Path(e events.Entity) string {
	if a.Sends() {
		return "/do/" + string(a.ID) + "/" + url.PathEscape(string(e))
	}
	return "/?" + url.Values{string(a.ID): {string(e)}}.Encode() + "#" + string(a.ID)
}

// RunName makes the name of a new run from its pipeline's and an id that is
// unique.
func RunName(pipeline string, id events.ID) events.Entity {
	const suffix = 8
	if len(id) > suffix {
		id = id[len(id)-suffix:]
	}
	if room := events.MaxToken - 1 - suffix; len(pipeline) > room {
		pipeline = pipeline[:room]
	}
	return events.Entity(pipeline + "-" + string(id))
}

func ask(target events.Source, body events.Body) func(Target) (events.Source, events.Entity, events.Body) {
	return func(t Target) (events.Source, events.Entity, events.Body) { return target, t.Entity, body }
}

func runPipeline(t Target) (events.Source, events.Entity, events.Body) {
	return events.Pipelined, t.Run, events.RunPipeline{Pipeline: string(t.Entity), Params: t.Params}
}

func applySpecs(Target) (events.Source, events.Entity, events.Body) {
	return events.Procd, events.SpecsEntity, events.ApplySpecs{}
}

func shutdown(Target) (events.Source, events.Entity, events.Body) {
	return events.Launcher, events.NodeEntity, events.ShutdownNode{}
}
