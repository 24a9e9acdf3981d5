// Package ui is what every shell shows and what every shell can do: the view
// model [Page], built from the node's state, and the registry of actions.
//
// # Usage
//
//	page := ui.Build(view.State(), ui.Options{Now: time.Now()})
//	for _, service := range page.Services {
//		for _, offer := range service.Actions { … } // offer.Enabled, offer.Reason
//	}
//
// A shell renders a Page and nothing else: the CLI as tables, the terminal UI as
// panes, the console as HTML. It maps a [Tone] to its own colours and decides
// nothing from the state itself, so shells cannot drift apart.
//
// An [Action] has a face for each shell: a key, a CLI verb, a web route, a label
// and help. A shell asks [Action.Enabled] before it offers one, sends
// [Action.Request] and waits for [Action.Outcome]:
//
//	action, _ := ui.Find("restart")
//	to, body := action.Request(ui.Target{Node: node, Entity: "alpha"})
//	id, err := conn.Send(ctx, to, body)
//	s, err := view.Wait(ctx, func(s state.State) bool { _, ok := action.Outcome(s, id); return ok })
//
// # Concurrency
//
// Everything is a pure function of plain data.
//
// # Testing
//
// testdata/page.json is the page of a state that has one of everything;
// `go test -run TestPage -update` rewrites it. A test proves that each action has
// all faces and that each request an operator may send has an action.
package ui
