package cli

import (
	"fmt"
	"strings"

	"core.internal/shared/config"
)

// Reference is the reference of every command as Markdown, for docs/cli.md.
func Reference(app string) string {
	c := &call{app: App{Name: app}, root: tree()}
	var b strings.Builder
	fmt.Fprintf(&b, `# The command line

<!-- Generated from shared/cli: go test ./shared/cli -run TestReference -update -->

`+"`%s`"+` is %s.
Data goes to standard output, everything else to standard error. Tables are coloured and cut to the width on a terminal
only; `+"`NO_COLOR`"+` takes colours away, `+"`CLICOLOR_FORCE=1`"+` asks for them. Flags may stand before and behind
arguments; `+"`--`"+` ends them.

| exit status | meaning |
| --- | --- |
| %d | done |
| %d | failed, or a service, run or request did |
| %d | called wrongly: unknown command, flag or value, wrong settings |
| %d | interrupted by Ctrl-C |
| %d | nobody reads the output any more, as where `+"`head -1`"+` has had its line |

`, app, c.root.about, ExitOK, ExitFailed, ExitUsage, ExitInterrupted, ExitUnread)
	c.reference(&b, c.root)
	c.settingsReference(&b)
	return b.String()
}

func (c *call) reference(b *strings.Builder, m *command) {
	for _, s := range m.visible() {
		fmt.Fprintf(b, "## %s\n\n%s.\n\n```\n%s\n```\n\n", s.words(c.app.Name), sentence(s.about), s.usage(c.app.Name))
		if s.long != "" {
			fmt.Fprintf(b, "%s\n\n", s.long)
		}
		if set, own := c.documented(s); len(own) > 0 && len(s.subs) == 0 {
			b.WriteString("| flag | default | meaning |\n| --- | --- | --- |\n")
			for _, name := range own {
				f := set.Lookup(name)
				fmt.Fprintf(b, "| `--%s` | %s | %s |\n", name, code(f.DefValue), cell(f.Usage))
			}
			b.WriteByte('\n')
		}
		if len(s.examples) > 0 {
			b.WriteString("```sh\n")
			for _, e := range s.examples {
				fmt.Fprintf(b, "%s %s\n", c.app.Name, e)
			}
			b.WriteString("```\n\n")
		}
		c.reference(b, s)
	}
}

func (c *call) settingsReference(b *strings.Builder) {
	b.WriteString(`## Settings

Commands that concern a node take its settings. A flag beats a variable, a variable the JSON file that ` + "`--config`" + ` names, and
the file the default. In the file names may be nested: ` + "`{\"bus\": {\"store\": \"file\"}}`" + ` is ` + "`bus.store`" + `.

| flag | variable | default | meaning |
| --- | --- | --- | --- |
`)
	up := c.root.sub("up")
	set := up.newSet(&call{})
	names, _ := c.settings(up, set)
	for _, name := range names {
		f := set.Lookup(name)
		fmt.Fprintf(b, "| `--%s` | `%s` | %s | %s |\n", name, config.Variable(name), code(f.DefValue), cell(f.Usage))
	}
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
