package cli

import (
	"time"

	"core.internal/shared/ui"
)

// tree makes the command tree.
func tree() *command {
	root := &command{
		about: "one command for a whole node: bus, edge, controller, pipelines and services",
		subs: []*command{
			upCommand(), downCommand(), statusCommand(), whyCommand(), traceCommand(), eventsCommand(), logsCommand(),
			verbCommand(ui.ActionEnable), verbCommand(ui.ActionDisable),
			verbCommand(ui.ActionStart), verbCommand(ui.ActionStop), verbCommand(ui.ActionRestart), verbCommand(ui.ActionReload),
			pipelineCommand(), configCommand(), specCommand(), portsCommand(), depCommand(), importCommand(),
			versionCommand(), completionCommand(), helpCommand(), candidatesCommand(),
		},
	}
	return root.prepare(nil)
}

// action returns an action that is known to exist.
func action(id ui.ActionID) ui.Action {
	a, _ := ui.Find(id)
	return a
}

const outputFlag = "output"

// outputs adds the flag for the format of what is printed.
func outputs(words ...string) func(*flags) {
	return func(f *flags) { f.oneOf(outputFlag, "output format", words...) }
}

// defaultPatience is how long a command waits for an outcome.
const defaultPatience = time.Minute
