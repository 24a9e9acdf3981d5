package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
	"core.internal/shared/dep"
	"core.internal/shared/dep/lock"
	"core.internal/shared/spec"
	"core.internal/shared/ui"
)

func depCommand() *command {
	names := func(_ context.Context, c *call) []string {
		deps, _ := c.deps() // what is wrong with other specs does not matter here
		var list []string
		for _, d := range deps {
			if !slices.Contains(c.args, d.want.Name) {
				list = append(list, d.want.Name+"\t"+d.want.Describe())
			}
		}
		return list
	}
	return &command{
		name: "dep", about: "install, lock and check the binaries that services need",
		subs: []*command{
			{
				name: "list", about: "show what services need, and whether it is locked and installed", node: true, flags: outputs("table", "json"),
				exec: func(_ context.Context, c *call) error { return c.depList() },
			},
			{
				name: "install", args: "[NAME…]", about: "install what is locked, and build what is built", node: true, complete: names,
				long:     "Without a name, what the services need that the profiles enable. What is not locked is refused.",
				examples: []string{"dep install", "dep install redis"},
				exec:     func(ctx context.Context, c *call) error { return c.depInstall(ctx) },
			},
			{
				name: "lock", args: "[NAME…]", about: "write what there is for each dependency into the lock files", node: true, complete: names,
				long: "Downloads what is not locked yet and notes its address, size and sha256, for every platform that the lock file\n" +
					"has already. Without a name it drops what no spec wants any more. What is locked stays as it is, but with --update.",
				examples: []string{"dep lock", "dep lock redis --update", "dep lock --platform linux/amd64 --platform darwin/arm64"},
				flags: func(f *flags) {
					f.CheckedStringsVar(new(config.Strings), "platform", nil, `platform to lock for, as in "linux/amd64"; this one if empty; repeatable`, checkPlatform)
					f.Bool("update", false, "ask again for what is locked already")
				},
				exec: func(ctx context.Context, c *call) error { return c.depLock(ctx) },
			},
			{
				name: "verify", args: "[NAME…]", about: "compare every installed file with what was unpacked", node: true, complete: names,
				exec: func(_ context.Context, c *call) error { return c.depVerify() },
			},
			{
				name: "gc", about: "remove what no spec wants", node: true,
				long:  "Nothing is removed that a running program is from. Whether a profile enables a service does not matter.",
				flags: func(f *flags) { f.Bool("dry-run", false, "only tell what would be removed") },
				exec:  func(ctx context.Context, c *call) error { return c.depGC(ctx) },
			},
			{
				name: "why", args: "NAME", about: "show who wants a dependency, and how it stands", node: true, flags: outputs("table", "json"), complete: names,
				exec: func(_ context.Context, c *call) error { return c.depWhy() },
			},
		},
	}
}

func checkPlatform(text string) error {
	if !lock.ValidPlatform(text) {
		return errors.New(`want a platform, as in "linux/amd64"`)
	}
	return nil
}

// wanted is a dependency and who wants it.
type wanted struct {
	want    dep.Want
	enabled bool // by the profiles of the settings
	by      []spec.Located
}

// deps lists the dependencies of all specs, by name. The error is about specs that
// cannot be read.
func (c *call) deps() ([]wanted, error) {
	specs, err := spec.Load(c.app.Specs(c.node))
	var list []wanted
	for _, s := range specs {
		w, ok := dep.WantOf(s)
		if !ok {
			continue
		}
		i := slices.IndexFunc(list, func(d wanted) bool { return d.want.Dep.Equal(w.Dep) && d.want.Dir == w.Dir })
		if i < 0 {
			i = len(list)
			list = append(list, wanted{want: w})
		}
		list[i].by = append(list[i].by, s)
		list[i].enabled = list[i].enabled || s.InProfile(c.node.Profiles)
	}
	slices.SortStableFunc(list, func(a, b wanted) int { return strings.Compare(a.want.Name, b.want.Name) })
	return list, err
}

// named picks the dependencies that the arguments name, by their own name or that
// of a service; without arguments, those that pick picks.
func (c *call) named(pick func(wanted) bool) ([]wanted, error) {
	all, err := c.deps()
	if err != nil {
		return nil, err
	}
	if len(c.args) == 0 {
		return slices.DeleteFunc(all, func(d wanted) bool { return !pick(d) }), nil
	}
	var list []wanted
	for _, name := range c.args {
		found := false
		for _, d := range all {
			if d.want.Name == name || slices.ContainsFunc(d.by, func(s spec.Located) bool { return string(s.ID) == name }) {
				list, found = append(list, d), true
			}
		}
		if found {
			continue
		}
		var names []string
		for _, d := range all {
			names = append(names, d.want.Name)
		}
		err := fmt.Errorf("no spec wants a dependency %q", name)
		if near := config.Suggest(name, names); near != "" {
			err = fmt.Errorf("%w: did you mean %q?", err, near)
		}
		return nil, &Problem{Err: err, Fix: fmt.Sprintf("`%s dep list` shows them", c.app.Name)}
	}
	return list, nil
}

func (c *call) store() dep.Store {
	return dep.ForNode(c.node, c.app.Specs(c.node).Workspace, c.environ)
}

func wantsOf(list []wanted) []dep.Want {
	var wants []dep.Want
	for _, d := range list {
		wants = append(wants, d.want)
	}
	return wants
}

// depJSON is one dependency as JSON.
type depJSON struct {
	Name      string        `json:"name"`
	Version   string        `json:"version,omitempty"`
	Source    spec.Source   `json:"source"`
	Origin    string        `json:"origin,omitempty"`
	WantedBy  []depUserJSON `json:"wanted_by"`
	Enabled   bool          `json:"enabled"` // by the profiles of the settings
	LockFile  string        `json:"lock_file,omitempty"`
	Locked    bool          `json:"locked"` // or it needs no lock
	Installed bool          `json:"installed"`
	Path      string        `json:"path,omitempty"`
	Key       string        `json:"key,omitempty"`
	Size      int64         `json:"size,omitempty"` // of what is installed, bytes
	Problem   string        `json:"problem,omitempty"`
}

// depUserJSON is a spec that wants a dependency.
type depUserJSON struct {
	Service spec.ServiceID `json:"service"`
	File    string         `json:"file"`
}

func (c *call) describe(s dep.Store, d wanted) depJSON {
	st := s.Status(d.want)
	row := depJSON{
		Name: d.want.Name, Version: d.want.Version, Source: d.want.Source, Origin: d.want.Origin(), Enabled: d.enabled,
		LockFile: st.LockFile, Locked: st.Locked, Installed: st.Installed, Path: st.Path, Key: st.Key, Size: st.Size, Problem: st.Problem,
	}
	for _, by := range d.by {
		row.WantedBy = append(row.WantedBy, depUserJSON{by.ID, by.File})
	}
	return row
}

func (d depJSON) services() string {
	var ids []string
	for _, by := range d.WantedBy {
		ids = append(ids, string(by.Service))
	}
	return strings.Join(ids, ", ")
}

// locks says in a word whether a dependency is locked.
func (d depJSON) locks() render.Cell {
	switch {
	case d.LockFile == "":
		return render.Toned("no need", ui.Idle)
	case d.Locked:
		return render.Toned("yes", ui.OK)
	}
	return render.Toned("no", ui.Bad)
}

func (d depJSON) installs() render.Cell {
	if d.Installed {
		return render.Toned("yes", ui.OK)
	}
	return render.Toned("no", ui.Warn)
}

func (c *call) depList() error {
	if err := c.arguments(0, 0); err != nil {
		return err
	}
	deps, loadErr := c.deps()
	store := c.store()
	rows := []depJSON{}
	for _, d := range deps {
		rows = append(rows, c.describe(store, d))
	}
	if c.text(outputFlag) == "json" {
		return errors.Join(printJSON(c.out, rows), loadErr)
	}
	t := &render.Table{Columns: []render.Column{
		{Title: "DEPENDENCY"}, {Title: "VERSION"}, {Title: "SOURCE", Drop: 1}, {Title: "LOCKED"}, {Title: "INSTALLED"}, {Title: "SIZE", Drop: 2}, {Title: "WANTED BY", Flex: true},
	}}
	for _, d := range rows {
		size := ""
		if d.Size > 0 {
			size = dep.Bytes(d.Size)
		}
		t.Add(render.Cell{Text: d.Name, Bold: true}, render.Text(d.Version), render.Text(string(d.Source)), d.locks(), d.installs(), render.Text(size), render.Text(d.services()))
	}
	return errors.Join(c.out.Print(t.Lines(c.out)...), loadErr)
}

func (c *call) depWhy() error {
	if err := c.arguments(1, 1); err != nil {
		return err
	}
	list, err := c.named(nil)
	if err != nil {
		return err
	}
	store := c.store()
	rows := []depJSON{}
	for _, d := range list {
		rows = append(rows, c.describe(store, d))
	}
	if c.text(outputFlag) == "json" {
		return printJSON(c.out, rows)
	}
	for i, d := range rows {
		var lines []string
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, c.out.Bold(list[i].want.Describe()))
		for _, by := range d.WantedBy {
			lines = append(lines, fmt.Sprintf("  wanted by  %s (%s)", by.Service, by.File))
		}
		switch {
		case d.LockFile == "":
			lines = append(lines, "  locked     needs no lock")
		case d.Locked:
			lines = append(lines, "  locked     in "+d.LockFile)
		default:
			lines = append(lines, "  locked     no")
		}
		switch {
		case d.Installed && d.Size > 0:
			lines = append(lines, fmt.Sprintf("  installed  %s (%s)", d.Path, dep.Bytes(d.Size)))
		case d.Installed:
			lines = append(lines, "  installed  "+d.Path)
		default:
			lines = append(lines, "  installed  no")
		}
		if d.Problem != "" {
			lines = append(lines, "  problem    "+render.Clean(d.Problem))
		}
		if err := c.out.Print(lines...); err != nil {
			return err
		}
	}
	return nil
}
