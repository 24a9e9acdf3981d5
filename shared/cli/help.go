package cli

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
)

// clientSettings are the settings of a node that matter to who talks to it; the
// others are shown with the commands that bring one up.
var clientSettings = []string{"config", "node", "root", "bus.url", "bus.seed-file"}

// internalSettings are set by the launcher for its daemons.
var internalSettings = []string{"stage", "boot"}

func helpCommand() *command {
	return &command{
		name: "help", args: "[COMMAND…]", about: "show how a command is used",
		exec: func(_ context.Context, c *call) error {
			m := c.root
			for _, word := range c.args {
				sub := m.sub(word)
				if sub == nil {
					return c.unknown(m, word)
				}
				m = sub
			}
			return c.help(c.out, m)
		},
		complete: func(_ context.Context, c *call) []string {
			m := c.root
			for _, word := range c.args {
				if m = m.sub(word); m == nil {
					return nil
				}
			}
			return candidates(m)
		},
	}
}

// help prints how a command is used.
func (c *call) help(s *render.Stream, m *command) error {
	lines := []string{s.Bold(m.words(c.app.Name)) + " – " + m.about}
	if m.long != "" {
		lines = append(lines, "", m.long)
	}
	lines = append(lines, "", s.Dim("USAGE"), "  "+m.usage(c.app.Name))
	if subs := m.visible(); len(subs) > 0 {
		lines = append(lines, "", s.Dim("COMMANDS"))
		lines = append(lines, pairs(s, commandPairs(subs))...)
	}
	set, own := c.documented(m)
	if len(own) > 0 {
		lines = append(lines, "", s.Dim("FLAGS"))
		lines = append(lines, pairs(s, flagPairs(set, own))...)
	}
	if shown, all := c.settings(m, set); len(shown) > 0 {
		lines = append(lines, "", s.Dim("SETTINGS")+s.Dim(" (flag, CORE_… variable, or in the file that --config names)"))
		lines = append(lines, pairs(s, flagPairs(set, shown))...)
		if !all {
			lines = append(lines, s.Dim(fmt.Sprintf("  Every setting of a node is taken; `%s config show` lists them.", c.app.Name)))
		}
	}
	if len(m.examples) > 0 {
		lines = append(lines, "", s.Dim("EXAMPLES"))
		for _, e := range m.examples {
			lines = append(lines, "  "+c.app.Name+" "+e)
		}
	}
	if m == c.root {
		lines = append(lines, "", s.Dim("EXIT STATUS")+"  0 done, 1 failed, 2 called wrongly, 130 interrupted",
			"", fmt.Sprintf("`%s help COMMAND` tells more.", c.app.Name))
	}
	// Help is read, and piped to a pager: it is not cut.
	_, err := fmt.Fprintln(s, strings.Join(lines, "\n"))
	return err
}

// documented returns a command's set and the names of its own flags.
func (c *call) documented(m *command) (*config.Set, []string) {
	set := m.newSet(&call{})
	var own []string
	global := globalSettings()
	set.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(global, f.Name) && f.Name != progressFlag {
			own = append(own, f.Name)
		}
	})
	return set, own
}

// settings lists the node's settings that a command's help shows, and whether
// these are all.
func (c *call) settings(m *command, set *config.Set) (names []string, all bool) {
	if !m.node {
		return nil, true
	}
	all = m.name == "up" || m.name == "show"
	set.VisitAll(func(f *flag.Flag) {
		if all && slices.Contains(globalSettings(), f.Name) || slices.Contains(clientSettings, f.Name) {
			names = append(names, f.Name)
		}
	})
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(internalSettings, n) })
	return names, all
}

// globalSettings lists the names of the settings that every command takes.
func globalSettings() []string {
	set := config.New("")
	new(config.Node).Register(set)
	var names []string
	set.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

func commandPairs(list []*command) [][2]string {
	var out [][2]string
	for _, m := range list {
		out = append(out, [2]string{m.name, m.about})
	}
	return out
}

func flagPairs(set *config.Set, names []string) [][2]string {
	var out [][2]string
	for _, name := range names {
		f := set.Lookup(name)
		text := "--" + name
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); !ok || !b.IsBoolFlag() {
			text += " VALUE"
		}
		usage := f.Usage
		if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "0s" {
			usage += fmt.Sprintf(" (default %s)", d)
		}
		out = append(out, [2]string{text, usage})
	}
	return out
}

// pairs lays out names and what they are.
func pairs(s *render.Stream, list [][2]string) []string {
	width := 0
	for _, p := range list {
		width = max(width, len(p[0]))
	}
	var lines []string
	for _, p := range list {
		lines = append(lines, "  "+s.Bold(p[0])+strings.Repeat(" ", width-len(p[0])+2)+p[1])
	}
	return lines
}
