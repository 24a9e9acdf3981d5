package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"

	"core.internal/shared/cli/render"
	"core.internal/shared/spec"
	"core.internal/shared/spec/importer"
)

// The flags of import.
const (
	importDirFlag  = "dir"
	importDryFlag  = "dry-run"
	importForce    = "force"
	importPortFlag = "base-port"
)

// importAbout is what is read of each format.
var importAbout = map[importer.Format]string{
	importer.Procfile:       "write specs for the processes of a Procfile",
	importer.ProcessCompose: "write specs for the processes of process-compose",
	importer.Supervisord:    "write specs for the programs of supervisord",
	importer.Systemd:        "write specs for services and timers of systemd",
	importer.Compose:        "write specs for the services of Compose",
}

func importCommand() *command {
	m := &command{name: "import", about: "write specs for what another supervisor runs"}
	for _, f := range importer.Formats() {
		args := "FILE"
		if f.Several() {
			args = "FILE…"
		}
		m.subs = append(m.subs, &command{
			name: string(f), args: args, about: importAbout[f], node: true,
			long: "Each service becomes `<dir>/<id>.json`, enabled by the node's profiles. Files that are there already are left alone without `--force`,\n" +
				"and nothing is written unless everything can be. What could not be carried over, or not as it was, is listed with its line.",
			examples: []string{"import " + string(f) + " " + importExample[f] + " --dry-run"},
			flags: func(s *flags) {
				outputs("text", "json")(s)
				s.StringVar(new(string), importDirFlag, "", "directory for the specs; specs below --root if empty")
				s.BoolVar(new(bool), importDryFlag, false, "write nothing")
				s.BoolVar(new(bool), importForce, false, "write over specs that are there")
				if f == importer.Procfile {
					s.IntVar(new(int), importPortFlag, 5000, "port of the first process, the next having 100 more; 0 for any free ones")
				}
			},
			exec: func(_ context.Context, c *call) error { return c.importSpecs(f) },
		})
	}
	return m
}

var importExample = map[importer.Format]string{
	importer.Procfile: "Procfile", importer.ProcessCompose: "process-compose.yaml", importer.Supervisord: "/etc/supervisor/conf.d/*.conf",
	importer.Systemd: "shop.service shop-report.service shop-report.timer", importer.Compose: "compose.yaml",
}

// importedJSON is what an import tells.
type importedJSON struct {
	Services []importedService `json:"services"`
	Notes    []importer.Note   `json:"notes"`
}

type importedService struct {
	ID      spec.ServiceID `json:"id"`
	File    string         `json:"file"`
	Written bool           `json:"written"`
	Spec    spec.Service   `json:"spec"`
}

func (c *call) importSpecs(f importer.Format) error {
	most := 1
	if f.Several() {
		most = -1
	}
	if err := c.arguments(1, most); err != nil {
		return err
	}
	opt := importer.Options{Profiles: c.node.Profiles}
	docs, err := c.documents()
	if err != nil {
		return err
	}
	if f == importer.Procfile {
		opt.BasePort = value[int](c, importPortFlag)
		if opt.BasePort < 0 || opt.BasePort > 65535 {
			return c.usageError(fmt.Errorf("--%s %d: want a port from 1 to 65535, or 0 for any free ones", importPortFlag, opt.BasePort))
		}
		env := filepath.Join(docs[0].Dir, ".env")
		if info, err := os.Stat(env); err == nil && info.Mode().IsRegular() {
			opt.EnvFile = env
		}
	}
	result, err := importer.Import(f, docs, opt)
	if err != nil {
		return err
	}
	dir := c.text(importDirFlag)
	if dir == "" {
		dir = filepath.Join(c.node.Root, "specs")
	}
	told := importedJSON{Services: []importedService{}, Notes: append([]importer.Note{}, result.Notes...)}
	dry := value[bool](c, importDryFlag)
	if !dry {
		if err := c.writeSpecs(dir, result.Services); err != nil {
			return err
		}
	}
	for _, s := range result.Services {
		told.Services = append(told.Services, importedService{ID: s.ID, File: specFile(dir, s), Written: !dry, Spec: s.Service})
	}
	if err := c.printImported(told); err != nil {
		return err
	}
	c.afterImport(dir, result.Services)
	return nil
}

// documents reads the files that are named.
func (c *call) documents() ([]importer.Document, error) {
	var docs []importer.Document
	var errs []error
	for _, file := range c.args {
		b, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("import: %w", err))
			continue
		}
		dir, err := filepath.Abs(filepath.Dir(file))
		errs = append(errs, err)
		docs = append(docs, importer.Document{File: file, Dir: dir, Data: b})
	}
	return docs, errors.Join(errs...)
}

func specFile(dir string, s spec.Located) string { return filepath.Join(dir, string(s.ID)+".json") }

// writeSpecs writes all specs, or none where one of them must not be.
func (c *call) writeSpecs(dir string, specs []spec.Located) error {
	there, _ := spec.Load(c.app.Specs(c.node)) // what is wrong with others is not of interest here
	var errs []error
	for _, s := range specs {
		file := specFile(dir, s)
		if _, err := os.Lstat(file); err == nil && !value[bool](c, importForce) {
			errs = append(errs, &Problem{Err: fmt.Errorf("import: %s is there already", file), Fix: "choose another directory with --dir, or write over it with --force"})
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("import: %w", err))
		}
		for _, other := range there {
			if other.ID == s.ID && !same(other.File, file) {
				errs = append(errs, &Problem{Err: fmt.Errorf("import: %s has the id %q already", other.File, s.ID), Fix: "rename the service in the file that is imported, or remove that spec"})
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	for _, s := range specs {
		b, err := importer.Encode(s.Service)
		if err == nil {
			err = renameio.WriteFile(specFile(dir, s), b, 0o600) // variables may be secret
		}
		if err != nil {
			return fmt.Errorf("import: write the spec of %s: %w", s.ID, err)
		}
	}
	return nil
}

// same reports whether two paths are of one file, which need not be there.
func same(a, b string) bool {
	x, errX := filepath.Abs(a)
	y, errY := filepath.Abs(b)
	return errX == nil && errY == nil && x == y
}

func (c *call) printImported(told importedJSON) error {
	if c.text(outputFlag) == "json" {
		return printJSON(c.out, told)
	}
	t := &render.Table{Columns: []render.Column{
		{Title: "SERVICE"}, {Title: "RUNS", Flex: true, Drop: 1}, {Title: "FILE", Flex: true},
	}}
	for _, s := range told.Services {
		t.Add(render.Cell{Text: string(s.ID), Bold: true}, render.Text(commandLine(s.Spec.Process)), render.Text(s.File))
	}
	if err := c.out.Print(t.Lines(c.out)...); err != nil || len(told.Notes) == 0 {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", c.out.Bold("NOT CARRIED OVER, OR NOT AS IT WAS"))
	for _, n := range told.Notes {
		b.WriteString(render.Clean(n.String()) + "\n") // whole, also on a narrow terminal
	}
	_, err := c.out.Write([]byte(b.String()))
	return err
}

// commandLine shows where each word ends.
func commandLine(p spec.Process) string {
	words := append([]string{p.Command}, p.Args...)
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n\"'") {
			words[i] = strconv.Quote(w)
		}
	}
	return strings.Join(words, " ")
}

// afterImport tells what is in the way of a boot with the new specs.
func (c *call) afterImport(dir string, specs []spec.Located) {
	dirs := c.app.Specs(c.node)
	if value[bool](c, importDryFlag) {
		c.note("nothing was written")
		return
	}
	if !same(dir, filepath.Join(dirs.Root, "specs")) && !slices.ContainsFunc(dirs.Extra, func(d string) bool { return same(d, dir) }) {
		dirs.Extra = append(slices.Clone(dirs.Extra), dir)
		c.note(fmt.Sprintf("the node finds these specs with --specs %s", dir))
	}
	all, err := spec.Load(dirs)
	if err == nil {
		err = spec.Check(all)
	}
	if err != nil && len(specs) > 0 {
		for _, one := range split(err) {
			c.note("beside the specs that were there: " + one.Error())
		}
	}
}
