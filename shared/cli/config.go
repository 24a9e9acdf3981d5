package cli

import (
	"context"
	"slices"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
	"core.internal/shared/ui"
)

func configCommand() *command {
	return &command{
		name: "config", about: "show settings and where they come from",
		subs: []*command{{
			name: "show", about: "show every setting, its value and where it came from", node: true,
			long:  "A flag beats a variable, a variable the file that --config names, and the file the default.",
			flags: outputs("table", "json"),
			exec:  func(_ context.Context, c *call) error { return c.configShow() },
		}},
	}
}

// settingJSON is one setting as JSON.
type settingJSON struct {
	Name     string        `json:"name"`
	Value    string        `json:"value"`
	Default  string        `json:"default"`
	Variable string        `json:"variable"`
	Origin   config.Origin `json:"origin"`
	Usage    string        `json:"usage"`
}

func (c *call) configShow() error {
	if err := c.arguments(0, 0); err != nil {
		return err
	}
	global := globalSettings()
	all := []settingJSON{}
	for _, s := range c.set.Settings() {
		if !slices.Contains(global, s.Name) || slices.Contains(internalSettings, s.Name) {
			continue
		}
		all = append(all, settingJSON{s.Name, redact(s.Value), s.Default, config.Variable(s.Name), s.Origin, s.Usage})
	}
	if c.text(outputFlag) == "json" {
		return printJSON(c.out, all)
	}
	t := &render.Table{Columns: []render.Column{{Title: "SETTING"}, {Title: "VALUE", Flex: true}, {Title: "ORIGIN"}}}
	for _, s := range all {
		origin := render.Toned(s.Origin.String(), ui.Idle)
		if s.Origin.Kind != config.FromDefault {
			origin.Tone = ui.OK
		}
		t.Add(render.Cell{Text: s.Name, Bold: true}, render.Text(s.Value), origin)
	}
	return c.out.Print(t.Lines(c.out)...)
}
