package boot

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/daemon"
	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/process/runner"
	"core.internal/shared/spec"
	"core.internal/shared/supervisor"
)

// daemonPolicy never gives a daemon up: without it there is no node.
func daemonPolicy(spec.Located) process.Policy {
	p := process.DefaultPolicy(spec.RestartAlways)
	p.Budget, p.Max = 0, 5*time.Second
	return p
}

// stageOf names the stage of each daemon.
var stageOf = map[events.Source]string{
	events.Busd: "bus", events.Caddyd: "edge", events.Procd: "controller", events.Pipelined: "pipelines",
}

// daemonSpecs describes the daemons to their supervisor.
func (n *Node) daemonSpecs() []spec.Located {
	var list []spec.Located
	for _, d := range n.daemons() {
		list = append(list, spec.Located{Service: spec.Service{
			ID: spec.ServiceID(d), DisplayName: string(d), Required: true,
			Process: spec.Process{Command: string(d), RestartPolicy: spec.Restart{Policy: spec.RestartAlways}},
		}})
	}
	return list
}

// buildDaemon says how a daemon is run: with the node's settings as variables,
// so that nothing stands on a command line.
func (n *Node) buildDaemon(_ context.Context, s spec.Located, _ supervisor.Instance) (supervisor.Built, error) {
	d := events.Source(s.ID)
	path, ok := n.binaries[string(d)]
	if !ok && n.Wrap == nil {
		return supervisor.Built{}, fmt.Errorf("%s has no binary", d)
	}
	settings := n.Config
	settings.Root, settings.Workspace = n.layout.Root, n.Workspace
	settings.Stage, settings.Boot = stageOf[d], string(n.boot)
	settings.BusURL = n.busURL()
	file := n.layout.Log(string(d))
	command := process.Command{
		Path: path, Dir: n.layout.Dir, Stdout: file, Stderr: file,
		StopTimeout: n.Config.StopTimeout,
		Env:         append(withoutSettings(n.Environ), settings.Environ()...),
	}
	if !slices.ContainsFunc(command.Env, func(kv string) bool { return strings.HasPrefix(kv, "GOGC=") }) {
		command.Env = append(command.Env, daemon.LoadingGOGC)
	}
	if d == events.Procd {
		// It has services to stop first, each with a deadline of its own.
		command.StopTimeout *= 2
		// It installs what services need.
		for _, kv := range n.Environ {
			if strings.HasPrefix(kv, dep.TokenVariable+"=") {
				command.Env = append(command.Env, kv)
			}
		}
	}
	return supervisor.Built{Command: command}, nil
}

// withoutSettings drops the variables that are settings of this launcher.
func withoutSettings(environ []string) []string {
	var kept []string
	for _, kv := range environ {
		if !strings.HasPrefix(kv, config.Variable("")) {
			kept = append(kept, kv)
		}
	}
	return kept
}

// runnerDir has the records of the daemons; those of the services are procd's.
func (n *Node) runnerDir() string { return filepath.Join(n.layout.Run(), "daemons") }

// reap takes in the processes whose supervisors have died and states how they
// ended.
func (n *Node) reap(ctx context.Context) error {
	reaper := runner.Reaper{
		Dirs: []string{n.runnerDir(), n.layout.Run()}, Log: n.Log,
		Report: func(_ string, e events.ProcessReaped) { n.facts.State(events.OrphansEntity, e, n.boot) },
	}
	return reaper.Run(ctx)
}
