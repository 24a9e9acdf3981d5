package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/process/health"
	"core.internal/shared/process/ports"
	"core.internal/shared/spec"
)

// Services builds instances of services from their specs. Its Build is an
// [Options.Build].
type Services struct {
	Node   events.Node
	Layout config.Layout
	BusURL string
	// Environ is the supervisor's environment. Of it a service gets what
	// every process needs (PATH, HOME, …), and what {env.NAME} in its spec names.
	Environ     []string
	StopTimeout time.Duration
	// Install makes the binary of a spec's dep exist and returns its path. It is
	// asked where Layout.Bin does not have it; may be nil.
	Install func(ctx context.Context, d spec.Dep) (string, error)

	book ports.Book
	mu   sync.Mutex
	bins map[spec.Dep]string // what Install returned; guarded by mu
}

// passed are the variables that services inherit.
var passed = []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"}

// Build prepares directories, files, ports and the binary of an instance.
func (b *Services) Build(ctx context.Context, s spec.Located, i Instance) (Built, error) {
	numbers, err := b.takePorts(s, i.Kept)
	if err != nil {
		return Built{}, err
	}
	bin, err := b.bin(ctx, s)
	if err != nil {
		return Built{}, err
	}
	id := string(s.ID)
	vars := spec.Vars{
		Bin: bin, ConfigDir: b.Layout.Conf(id), DataDir: b.Layout.Data(id), LogDir: b.Layout.Logs(),
		Node: b.Node, NodeDir: b.Layout.Dir, Instance: i.Name, Ports: numbers, Env: b.Environ, Secrets: b.secret,
	}
	r, err := s.Resolve(vars)
	if err != nil {
		return Built{}, err
	}
	if err := b.ensure(r, vars); err != nil {
		return Built{}, err
	}
	path, err := b.executable(r)
	if err != nil {
		return Built{}, err
	}
	env := b.environ(r, i.Name)
	built := Built{
		Command: process.Command{
			Path: path, Args: r.Process.Args, Env: env, Dir: r.Process.WorkingDir,
			StopSignal: r.Process.StopSignal.Number(), StopTimeout: r.Process.StopTimeout.Or(b.StopTimeout),
			Stdout: r.Logging.Stdout, Stderr: r.Logging.Stderr, Retention: time.Duration(r.Logging.Retention),
			Output: output(r.Logging),
		},
		Routes: r.EventRoutes(),
		Checks: checks(r, env),
	}
	for _, p := range r.AllPorts() {
		built.Ports = append(built.Ports, events.Port{Name: p.Name, Port: p.Port.Port, Protocol: protocol(p.Protocol)})
	}
	return built, nil
}

// output is what a spec says of what its service writes.
func output(l spec.Logging) process.Output {
	o := process.Output{MaxSize: int64(l.MaxSize), MaxFiles: l.MaxFiles, Timestamps: l.Timestamps, Format: l.Format}
	if m := l.Multiline; m != nil {
		o.Multiline, o.MaxLines = m.Pattern, m.MaxLines
	}
	if r := l.RateLimit; r != nil {
		o.Rate, o.Per = r.Lines, time.Duration(r.Per)
	}
	return o
}

// checks are the checks that a resolved spec asks for.
func checks(r spec.Located, env []string) Checks {
	check := func(p spec.Probe) health.Check {
		c := health.Check{
			Type: p.Type, Endpoint: p.Endpoint, Expected: p.ExpectedStatus, Command: p.Command, Service: p.Service, Pattern: p.Pattern,
			Interval: time.Duration(p.Interval), Timeout: time.Duration(p.Timeout),
			StartPeriod: time.Duration(p.StartPeriod), Threshold: p.FailureThreshold, Successes: p.SuccessThreshold,
		}
		if p.Type == spec.HealthExec {
			c.Env, c.Dir = env, r.Process.WorkingDir
		}
		return c
	}
	all := Checks{Check: check(r.Health.Probe)}
	if p := r.Health.Liveness; p != nil {
		c := check(*p)
		all.Liveness = &c
	}
	if p := r.Health.Readiness; p != nil {
		c := check(*p)
		all.Readiness = &c
	}
	return all
}

func protocol(p string) string {
	if p == "" {
		return "tcp"
	}
	return p
}

func (b *Services) takePorts(s spec.Located, kept []events.Port) (map[string]int, error) {
	numbers := map[string]int{}
	for _, p := range s.AllPorts() {
		before := 0
		for _, k := range kept {
			if k.Name == p.Name {
				before = k.Port
			}
		}
		n, err := b.takePort(string(s.ID), p.Port, before)
		if err != nil {
			return nil, fmt.Errorf("port %q of %s: %w", p.Name, s.ID, err)
		}
		numbers[p.Name] = n
	}
	return numbers, nil
}

func (b *Services) takePort(owner string, p spec.Port, kept int) (int, error) {
	network := ports.Network(p.Protocol)
	if first, last, ok := p.Bounds(); ok {
		return b.book.TakeRange(owner, network, first, last, kept)
	}
	return b.book.Take(owner, network, p.Port, kept)
}

// bin returns the directory that {shared.dep.bin} stands for: the one with the
// binary of the spec's dep.
func (b *Services) bin(ctx context.Context, s spec.Located) (string, error) {
	if s.Dep == nil || b.Install == nil {
		return b.Layout.Bin(), nil
	}
	if _, err := os.Stat(filepath.Join(b.Layout.Bin(), s.Dep.Name)); err == nil {
		return b.Layout.Bin(), nil
	}
	b.mu.Lock()
	path := b.bins[*s.Dep]
	b.mu.Unlock()
	if _, err := os.Stat(path); err == nil {
		return filepath.Dir(path), nil
	}
	path, err := b.Install(ctx, *s.Dep)
	if err != nil {
		return "", fmt.Errorf("prepare %s: %w", s.ID, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bins == nil {
		b.bins = map[spec.Dep]string{}
	}
	b.bins[*s.Dep] = path
	return filepath.Dir(path), nil
}

// executable finds what is to be run, on the service's own PATH.
func (b *Services) executable(s spec.Located) (string, error) {
	command := s.Process.Command
	candidates := []string{command}
	if !strings.Contains(command, "/") {
		candidates = nil
		for _, dir := range filepath.SplitList(s.Process.Env["PATH"] + string(filepath.ListSeparator) + variable(b.Environ, "PATH")) {
			if filepath.IsAbs(dir) {
				candidates = append(candidates, filepath.Join(dir, command))
			}
		}
	}
	for _, path := range candidates {
		info, err := os.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			return "", s.Errorf("process.command", "an executable file", "%s is a directory", path)
		case info.Mode()&0o111 == 0:
			if len(candidates) == 1 {
				return "", s.Errorf("process.command", "an executable file", "%s is not executable: chmod +x it", path)
			}
		default:
			return path, nil
		}
	}
	if strings.Contains(command, "/") {
		return "", s.Errorf("process.command", "an executable file", "%s does not exist", command)
	}
	return "", s.Errorf("process.command", "an absolute path, or a command on PATH", "%q is not on PATH", command)
}

// environ is a service's whole environment: what it inherits, what the platform
// tells it, then what its spec says.
func (b *Services) environ(s spec.Located, instance string) []string {
	id := string(s.ID)
	env := map[string]string{
		"CORE_BUS_URL":       b.BusURL,
		"CORE_BUS_SEED_FILE": b.Layout.Seed(events.Source(id)),
		"CORE_NODE":          string(b.Node),
		"CORE_SERVICE":       id,
		"CORE_INSTANCE":      instance,
		"CORE_DATA_DIR":      b.Layout.Data(id),
		"CORE_CONFIG_DIR":    b.Layout.Conf(id),
		"CORE_LOG_DIR":       b.Layout.Logs(),
	}
	for _, name := range passed {
		if v := variable(b.Environ, name); v != "" {
			env[name] = v
		}
	}
	for name, value := range s.Process.Env {
		env[name] = value
	}
	// The runner finds an instance again by it.
	env["CORE_INSTANCE"] = instance
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// variable returns the last value of a variable, "" for none.
func variable(environ []string, name string) string {
	for _, kv := range slices.Backward(environ) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}
