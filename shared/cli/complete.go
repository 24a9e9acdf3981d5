package cli

import (
	"context"
	"flag"
	"slices"
	"sort"
	"strings"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/spec"
	"core.internal/shared/state"
)

// completionPatience bounds how long a completion may ask a node.
const completionPatience = 300 * time.Millisecond

// candidatesCommand is what the shells' scripts call: its arguments are the
// words typed so far, without the program, the last one unfinished.
func candidatesCommand() *command {
	return &command{
		name: "__complete", args: "WORD…", about: "list what may stand as the last word", hidden: true,
		exec: func(ctx context.Context, c *call) error {
			words := c.args
			if len(words) == 0 {
				words = []string{""}
			}
			last := words[len(words)-1]
			for _, candidate := range c.candidates(ctx, words[:len(words)-1], last) {
				word, _, _ := strings.Cut(candidate, "\t")
				if strings.HasPrefix(word, last) {
					if _, err := c.out.Write([]byte(candidate + "\n")); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
}

// candidates lists what may follow some words, each perhaps with a tab and what
// it is. Words that make no sense have no continuation.
func (c *call) candidates(ctx context.Context, words []string, last string) []string {
	m, rest, err := c.find(words)
	if err != nil {
		return nil
	}
	at := &call{app: c.app, root: c.root, command: m, environ: c.environ, out: c.out, err: c.err, quiet: true}
	at.set = m.newSet(at)
	if n := len(rest); n > 0 && strings.HasPrefix(rest[n-1], "-") && !strings.Contains(rest[n-1], "=") {
		if f := at.set.Lookup(strings.TrimLeft(rest[n-1], "-")); f != nil && c.takesValue(m, rest[n-1]) {
			return at.flagValues(f.Name)
		}
	}
	if strings.HasPrefix(last, "-") {
		return at.flagCandidates(last)
	}
	if len(m.subs) > 0 {
		return candidates(m)
	}
	if m.complete == nil || at.set.Parse(rest, c.environ) != nil {
		return nil
	}
	at.args = at.set.Args()
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	return m.complete(ctx, at)
}

// candidates lists the subcommands of a command.
func candidates(m *command) []string {
	var list []string
	for _, s := range m.visible() {
		list = append(list, s.name+"\t"+s.about)
	}
	return list
}

func (c *call) flagCandidates(last string) []string {
	if name, _, assigned := strings.Cut(last, "="); assigned {
		var list []string
		for _, v := range c.flagValues(strings.TrimLeft(name, "-")) {
			list = append(list, name+"="+v)
		}
		return list
	}
	var list []string
	c.set.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(internalSettings, f.Name) && f.Name != progressFlag {
			list = append(list, "--"+f.Name+"\t"+f.Usage)
		}
	})
	return list
}

// flagValues lists what a flag may be set to, where that is a few words.
func (c *call) flagValues(name string) []string {
	if words, ok := c.choices[name]; ok {
		return words
	}
	return map[string][]string{
		"bus.store": {"memory", "file"}, "log.level": {"debug", "info", "warn", "error"}, "log.format": {"auto", "text", "json"},
	}[name]
}

// serviceNames lists the services of the running node, or those of the specs
// where none runs, without those named already.
func (c *call) serviceNames(ctx context.Context) []string {
	var list []string
	err := c.withSession(ctx, func(_ context.Context, s *session) error {
		for _, v := range state.Sorted(s.view.State().Services) {
			list = append(list, string(v.ID)+"\t"+v.Registered.Description)
		}
		for _, id := range s.view.State().Groups() {
			list = append(list, string(id)+"\tall replicas")
		}
		return nil
	})
	if err != nil {
		specs, _ := spec.Load(c.app.Specs(c.node)) // what is wrong with others does not matter here
		for _, s := range specs {
			list = append(list, string(s.ID)+"\t"+s.Description)
		}
	}
	return slices.DeleteFunc(list, func(candidate string) bool {
		name, _, _ := strings.Cut(candidate, "\t")
		return slices.Contains(c.args, name)
	})
}

// loggedNames lists what has a log.
func (c *call) loggedNames(ctx context.Context) []string {
	list := c.serviceNames(ctx)
	for _, d := range []string{"busd", "caddyd", "procd", "pipelined"} {
		list = append(list, d+"\tdaemon")
	}
	sort.Strings(list)
	return list
}

func completeRuns(ctx context.Context, c *call) []string {
	if len(c.args) > 0 {
		return nil
	}
	var list []string
	_ = c.withSession(ctx, func(_ context.Context, s *session) error { // where no node runs there are none
		for _, r := range s.view.State().SortedRuns() {
			list = append(list, string(r.ID)+"\t"+string(r.State))
		}
		return nil
	})
	return list
}

func completeRun(_ context.Context, c *call) []string {
	all, err := c.app.Pipelines(c.node)
	if err != nil {
		return nil
	}
	var list []string
	for _, p := range all {
		if len(c.args) == 0 {
			list = append(list, p.Name+"\t"+p.About)
			continue
		}
		if p.Name == c.args[0] {
			for _, param := range p.Params {
				list = append(list, param.Name+"=\t"+param.About)
			}
		}
	}
	return list
}

func completionCommand() *command {
	shells := []string{"bash", "fish", "zsh"}
	return &command{
		name: "completion", args: "SHELL", about: "print the completion script for bash, fish or zsh",
		examples: []string{"completion bash > ~/.local/share/bash-completion/completions/launcher", "completion fish > ~/.config/fish/completions/launcher.fish", "completion zsh > \"${fpath[1]}/_launcher\""},
		complete: func(_ context.Context, c *call) []string {
			if len(c.args) > 0 {
				return nil
			}
			return shells
		},
		exec: func(_ context.Context, c *call) error {
			if err := c.arguments(1, 1); err != nil {
				return err
			}
			script, ok := scripts[c.args[0]]
			if !ok {
				hint := "want one of " + strings.Join(shells, ", ")
				if near := config.Suggest(c.args[0], shells); near != "" {
					hint = "did you mean " + near + "?"
				}
				return c.usageError(&unknownShell{c.args[0], hint})
			}
			_, err := c.out.Write([]byte(strings.ReplaceAll(script, "PROGRAM", c.app.Name)))
			return err
		},
	}
}

type unknownShell struct{ name, hint string }

func (e *unknownShell) Error() string { return "unknown shell " + e.name + ": " + e.hint }
