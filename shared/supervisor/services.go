package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/dep/fetch"
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
	// Install makes the binary of a spec's dep exist and returns its path. For
	// what is built or the system's it is asked where Layout.Bin does not have it,
	// for what is locked before every start; may be nil.
	Install func(ctx context.Context, s spec.Located) (string, error)
	// Client downloads what specs ask for; one without settings if nil.
	Client *fetch.Client
	// Sync writes a file, or the names in a directory, through to the disk;
	// [os.File.Sync] if nil.
	Sync func(*os.File) error

	// Orphan names the service from which a process is left over that no
	// supervisor has any more; may be nil.
	Orphan func(pid int) (service string, ok bool)

	book ports.Book
	mu   sync.Mutex
	// bins is what Install returned for what is not locked, by the spec's digest;
	// guarded by mu.
	bins  map[string]string
	swept map[string]bool // targets beside which was looked for leftovers; guarded by mu
	began time.Time       // of the first look; guarded by mu
	// switching: two services that unpack to one target do so one after the other.
	switching sync.Mutex
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
	vars := b.vars(s, i, bin, numbers)
	r, err := s.Resolve(vars)
	if err != nil {
		return Built{}, err
	}
	as, err := accountOf(r, os.Geteuid(), os.Getegid())
	if err != nil {
		return Built{}, err
	}
	changes, err := b.ensure(ctx, r, vars, as)
	if err != nil {
		return Built{Prepared: changes}, err
	}
	command, err := b.command(r, i.Name, as)
	if err == nil {
		command.Path, err = b.lookPath(r, "process.command", r.Process.Command, command.Env)
	}
	if err != nil {
		return Built{Prepared: changes}, err
	}
	command.Args = r.Process.Args
	built := Built{
		Prepared: changes, Command: command,
		PreStart: b.hooks(r, "preStart", r.Process.PreStart, command.Env),
		Routes:   r.EventRoutes(),
		Checks:   b.checks(r, command.Env),
	}
	sources := map[string]string{}
	for _, p := range s.AllPorts() {
		sources[p.Name] = source(p.Port)
	}
	for _, p := range r.AllPorts() {
		built.Ports = append(built.Ports, events.Port{
			Name: p.Name, Port: p.Port.Port, Protocol: protocol(p.Protocol), Address: p.Host, Source: sources[p.Name],
		})
	}
	return built, nil
}

// vars are what placeholders stand for in an instance.
func (b *Services) vars(s spec.Located, i Instance, bin string, numbers map[string]int) spec.Vars {
	id := string(s.ID)
	return spec.Vars{
		Bin: bin, ConfigDir: b.Layout.Conf(id), DataDir: b.Layout.Data(id), LogDir: b.Layout.Logs(),
		Node: b.Node, NodeDir: b.Layout.Dir, Instance: i.Name, Ports: numbers, Env: b.Environ, Secrets: b.secret,
	}
}

// command is what an instance and its hooks have in common.
func (b *Services) command(r spec.Located, instance string, as *account) (process.Command, error) {
	err := checkLog(r, "logging.stdout", r.Logging.Stdout, as)
	if err == nil {
		err = checkLog(r, "logging.stderr", r.Logging.Stderr, as)
	}
	if err != nil {
		return process.Command{}, err
	}
	env, err := b.environ(r, instance, as)
	return process.Command{
		Env: env, Dir: r.Process.WorkingDir, Attributes: attributes(r, as),
		StopSignal: r.Process.StopSignal.Number(), StopTimeout: r.Process.StopTimeout.Or(b.StopTimeout),
		Stdout: r.Logging.Stdout, Stderr: r.Logging.Stderr, Retention: time.Duration(r.Logging.Retention),
		Output: output(r.Logging),
	}, err
}

// hooks finds the executables of hooks; that one has none is found when it is run.
func (b *Services) hooks(r spec.Located, list string, from []spec.Hook, env []string) []Hook {
	var hooks []Hook
	for i, h := range from {
		name := fmt.Sprintf("%s[%d]", list, i)
		path, err := b.lookPath(r, "process."+name+".command[0]", h.Command[0], env)
		hooks = append(hooks, Hook{
			Name: name, Path: path, Args: h.Command[1:], Err: err,
			Timeout: time.Duration(h.Timeout), IgnoreFailure: h.IgnoreFailure,
		})
	}
	return hooks
}

// After is an [Options.After]: the hooks that follow an instance which had the
// ports that i keeps.
func (b *Services) After(ctx context.Context, s spec.Located, i Instance) (process.Command, []Hook, error) {
	bin, err := b.bin(ctx, s)
	if err != nil {
		return process.Command{}, nil, err
	}
	numbers := map[string]int{}
	for _, p := range i.Kept {
		numbers[p.Name] = p.Port
	}
	r, err := s.Resolve(b.vars(s, i, bin, numbers))
	if err != nil {
		return process.Command{}, nil, err
	}
	as, err := accountOf(r, os.Geteuid(), os.Getegid())
	if err != nil {
		return process.Command{}, nil, err
	}
	command, err := b.command(r, i.Name, as)
	return command, b.hooks(r, "postStop", r.Process.PostStop, command.Env), err
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
func (b *Services) checks(r spec.Located, env []string) Checks {
	check := func(p spec.Probe) health.Check {
		c := health.Check{
			Type: p.Type, Endpoint: p.Endpoint, Expected: p.ExpectedStatus, Command: p.Command, Service: p.Service, Pattern: p.Pattern,
			Interval: time.Duration(p.Interval), Timeout: time.Duration(p.Timeout),
			StartPeriod: time.Duration(p.StartPeriod), Threshold: p.FailureThreshold, Successes: p.SuccessThreshold,
		}
		switch p.Type {
		case spec.HealthExec:
			c.Env, c.Dir = env, r.Process.WorkingDir
		case spec.HealthBus:
			c.Endpoint = string(events.PresenceSubject(b.Node, events.Source(r.ID)))
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

// Routes are those of an instance that runs, by a spec that is newer than it. It
// is an [Options.Routes].
func (b *Services) Routes(s spec.Located, i Instance) ([]events.Route, error) {
	numbers := map[string]int{}
	for _, p := range i.Kept {
		numbers[p.Name] = p.Port
	}
	r, err := s.Redacted(b.vars(s, i, b.Layout.Bin(), numbers))
	if err != nil {
		return nil, err
	}
	routes := r.EventRoutes()
	for _, one := range routes {
		for _, u := range one.Upstreams {
			if strings.Contains(u, "{") {
				return nil, fmt.Errorf("the upstream %s of %s is not known before its next start", u, s.ID)
			}
		}
	}
	return routes, nil
}

// Release lets others have the ports of a service that is at rest or gone. It is an
// [Options.Gone].
func (b *Services) Release(id events.Entity) { b.book.Release(string(id)) }

func protocol(p string) string {
	if p == "" {
		return "tcp"
	}
	return p
}

func (b *Services) takePorts(s spec.Located, kept []events.Port) (map[string]int, error) {
	numbers := map[string]int{}
	// What the spec does not want any more others may have at once, or two services
	// that exchange their ports would wait for each other.
	var wanted, held []ports.Key
	for _, p := range s.AllPorts() {
		if n := cmp.Or(p.Port.Port, numberOf(kept, p.Name)); n > 0 {
			wanted = append(wanted, ports.Key{Network: ports.Network(p.Protocol), Port: n})
		}
	}
	b.book.Retain(string(s.ID), wanted)
	for _, p := range s.AllPorts() {
		n, err := b.takePort(string(s.ID), p.Port, numberOf(kept, p.Name))
		if err != nil {
			var taken *ports.HeldError
			if errors.As(err, &taken) && taken.Holder.PID > 0 && b.Orphan != nil {
				if id, ok := b.Orphan(taken.Holder.PID); ok {
					taken.Orphan = id
				}
			}
			return nil, fmt.Errorf("port %q of %s: %w", p.Name, s.ID, err)
		}
		numbers[p.Name] = n
		held = append(held, ports.Key{Network: ports.Network(p.Protocol), Port: n})
	}
	b.book.Retain(string(s.ID), held)
	return numbers, nil
}

// numberOf is the number of the port of a name; 0 if there is none.
func numberOf(list []events.Port, name string) int {
	i := slices.IndexFunc(list, func(p events.Port) bool { return p.Name == name })
	if i < 0 {
		return 0
	}
	return list[i].Port
}

// source says where a port's number comes from.
func source(p spec.Port) string {
	switch {
	case p.Range != "":
		return "range"
	case p.Port > 0:
		return "fixed"
	}
	return "auto"
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
	if !s.Dep.Source.Locked() {
		if _, err := os.Stat(filepath.Join(b.Layout.Bin(), s.Dep.Name)); err == nil {
			return b.Layout.Bin(), nil
		}
		b.mu.Lock()
		path := b.bins[s.Digest]
		b.mu.Unlock()
		if _, err := os.Stat(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	path, err := b.Install(ctx, s)
	if err != nil {
		return "", fmt.Errorf("prepare %s: %w", s.ID, err)
	}
	if !s.Dep.Source.Locked() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.bins == nil {
			b.bins = map[string]string{}
		}
		b.bins[s.Digest] = path
	}
	return filepath.Dir(path), nil
}

// lookPath finds the executable that a member of the spec names, on the service's
// own PATH.
func (b *Services) lookPath(s spec.Located, field, command string, env []string) (string, error) {
	candidates := []string{command}
	if !strings.Contains(command, "/") {
		candidates = nil
		for _, dir := range filepath.SplitList(variable(env, "PATH") + string(filepath.ListSeparator) + variable(b.Environ, "PATH")) {
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
			return "", s.Errorf(field, "an executable file", "%s is a directory", path)
		case info.Mode()&0o111 == 0:
			if len(candidates) == 1 {
				return "", s.Errorf(field, "an executable file", "%s is not executable: chmod +x it", path)
			}
		default:
			return path, nil
		}
	}
	if strings.Contains(command, "/") {
		return "", s.Errorf(field, "an executable file", "%s does not exist", command)
	}
	return "", s.Errorf(field, "an absolute path, or a command on PATH", "%q is not on PATH", command)
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
