package boot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sync/errgroup"

	"core.internal/shared/bus"
	"core.internal/shared/config"
	"core.internal/shared/dep"
	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/process/ports"
	"core.internal/shared/process/runner"
	"core.internal/shared/spec"
	"core.internal/shared/supervisor"
)

// upConfig makes everything that needs no other process: the locked node
// directory, identities, specs, binaries, and the supervisor of the daemons.
func (n *Node) upConfig(ctx context.Context) error {
	for _, dir := range []string{n.layout.Dir, n.layout.Keys(), n.layout.Run(), n.layout.Logs(), n.layout.Bin()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return n.unwritable(err)
		}
	}
	var err error
	if n.lock, err = lock(ctx, n.layout); err != nil {
		return n.unwritable(err)
	}
	// Keys are written through to the disk: other things are done meanwhile.
	var minting errgroup.Group
	for _, s := range append(events.Daemons(), events.Launcher, events.Operator) {
		minting.Go(func() error { return bus.Mint(n.layout.Keys(), s) })
	}
	minting.Go(func() error {
		_, err := n.token()
		return err
	})
	if err := errors.Join(n.prepare(ctx), n.unminted(minting.Wait())); err != nil {
		return err
	}
	if err := n.startSupervisor(ctx); err != nil {
		return err
	}
	if err := n.resolveAddresses(); err != nil {
		return err
	}
	return n.record("")
}

// prepare loads the specs and what operators decided about them, and has what they
// need built. Their credentials are procd's affair.
func (n *Node) prepare(ctx context.Context) error {
	var err error
	if n.specs, err = n.loadSpecs(); err != nil {
		return &StageError{Err: err, Fix: "correct the spec; `launcher spec validate` checks them all"}
	}
	n.decided, err = config.ReadDecisions(n.layout)
	if bad := (*config.DecisionsError)(nil); errors.As(err, &bad) {
		return &StageError{Err: fmt.Errorf("what operators decided: %s %w", bad.File, bad.Err), Fix: bad.Fix()}
	}
	return n.ensureBinaries(ctx)
}

// unminted says what to do about an error of minting; nil for nil.
func (n *Node) unminted(err error) error {
	if bad := (*bus.CredentialError)(nil); errors.As(err, &bad) {
		return &StageError{Err: fmt.Errorf("the credential %s %w", bad.File, bad.Err), Fix: bad.Fix}
	}
	if err != nil {
		return n.unwritable(fmt.Errorf("mint identities: %w", err))
	}
	return nil
}

// unwritable adds to an error of the node directory what to do about it.
func (n *Node) unwritable(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &StageError{Err: err, Fix: fmt.Sprintf("free some space on the file system of %s, or choose another with --root", n.layout.Root)}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &StageError{Err: err, Fix: "choose a directory that you may write to with --root"}
	}
	return err
}

func (n *Node) loadSpecs() ([]spec.Located, error) {
	specs, err := spec.Load(spec.Dirs{Workspace: n.Workspace, Root: n.Config.Root, Extra: n.Config.Specs})
	if err != nil {
		return nil, err
	}
	return specs, spec.Check(specs)
}

// token returns the console's login token, made on the first call.
func (n *Node) token() (string, error) {
	file := n.layout.ConsoleToken()
	b, err := os.ReadFile(file)
	if err == nil && len(b) > 0 {
		return string(b), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	token := rand.Text()
	return token, os.WriteFile(file, []byte(token), 0o600)
}

// omitted reports whether a daemon is left out.
func (n *Node) omitted(d events.Source) bool {
	return slices.Contains(n.Omit, d) || d == events.Busd && n.Config.BusURL != ""
}

// enabled reports whether a service is to run: operators decide, else the profiles.
func (n *Node) enabled(s spec.Located) bool {
	return n.decided.Services[events.Entity(s.ID)].Wants(s.InProfile(n.Config.Profiles))
}

// ensureBinaries builds or finds the daemons' binaries and those of the
// services that are enabled. What a service that is not required needs from
// elsewhere, the system among them, is the service's own trouble: procd tries
// again and says so. It also installs what is locked, so that no server holds up the
// boot; only what a required service waits for is installed here, where it may take
// its time.
func (n *Node) ensureBinaries(ctx context.Context) error {
	var wants []dep.Want
	for _, d := range n.daemons() {
		if !slices.Contains(n.InProcess, d) {
			wants = append(wants, dep.Want{Dep: spec.Dep{Name: string(d), Source: spec.SourceGoBuild, Asset: "core.internal/" + string(d)}})
		}
	}
	var optional []dep.Want
	needed := n.requiredServices()
	for _, s := range n.specs {
		w, ok := dep.WantOf(s)
		switch {
		case !ok || !n.enabled(s):
		case s.Required || w.Source == spec.SourceGoBuild:
			wants = append(wants, w)
		case w.Source.Locked() && !needed[s.ID]:
		default:
			optional = append(optional, w)
		}
	}
	store := dep.ForNode(n.Config, n.Workspace, n.Environ)
	tell := func(p dep.Progress) { n.detail("config", p.String()) }
	var err error
	n.binaries, err = store.Ensure(ctx, wants, tell)
	if err != nil {
		return &StageError{Err: err, Fix: "correct what the compiler or the installer says and start again"}
	}
	for _, w := range optional {
		if _, err := store.Ensure(ctx, []dep.Want{w}, tell); err != nil {
			if ctx.Err() != nil {
				return err
			}
			n.Log.Warn("a service starts without its binary", "binary", w.Name, "error", err)
			n.detail("config", err.Error())
		}
	}
	return nil
}

// requiredServices are the services that are enabled and required, and what they
// depend on.
func (n *Node) requiredServices() map[spec.ServiceID]bool {
	byID := map[spec.ServiceID]spec.Located{}
	for _, s := range n.specs {
		byID[s.ID] = s
	}
	needed := map[spec.ServiceID]bool{}
	var need func(id spec.ServiceID)
	need = func(id spec.ServiceID) {
		if s, ok := byID[id]; ok && !needed[id] {
			needed[id] = true
			for _, on := range s.DependsOn() {
				need(spec.ServiceID(on))
			}
		}
	}
	for _, s := range n.specs {
		if s.Required && n.enabled(s) {
			need(s.ID)
		}
	}
	return needed
}

// daemons lists the daemons of this node in the order in which they start.
func (n *Node) daemons() []events.Source {
	var list []events.Source
	for _, d := range events.Daemons() {
		if !n.omitted(d) {
			list = append(list, d)
		}
	}
	return list
}

// startSupervisor begins to supervise the daemons: those that outlived an
// earlier launcher are adopted, none is started yet.
func (n *Node) startSupervisor(ctx context.Context) error {
	n.local.init(context.WithoutCancel(ctx))
	n.runner = runner.New(runner.Options{Dir: n.runnerDir(), Log: n.Log, Alone: true})
	n.local.run(n.runner.Run)
	var r process.Runner = n.runner
	if n.Wrap != nil {
		r = n.Wrap(r)
	}
	n.sup = supervisor.New(supervisor.Options{
		Node: n.Config.Name, Source: events.Launcher, Facts: n.facts, Runner: r, Log: n.Log, Build: n.buildDaemon,
		StopTimeout: 3 * n.Config.StopTimeout, Policy: daemonPolicy,
	})
	n.supervision.init(context.WithoutCancel(ctx))
	n.supervision.run(n.sup.Run)
	if n.Wrap == nil {
		n.local.run(n.reap)
	}
	if err := n.sup.Register(ctx, n.daemonSpecs()); err != nil {
		return err
	}
	for _, d := range n.daemons() {
		n.adopted[d] = n.daemon(d).PID > 0
	}
	return nil
}

// record says in the node directory where the node is to be found: for other
// programs, and for a later launcher that adopts the daemons of this one.
func (n *Node) record(console string) error {
	f := config.NodeFile{
		Version: config.NodeFileVersion, PID: os.Getpid(), BusURL: n.busURL(), ConsoleURL: console, Started: n.began.UTC(),
	}
	if !n.omitted(events.Caddyd) {
		f.EdgeURL = n.edgeURL()
	}
	return config.WriteNodeFile(n.layout, f)
}

// recorded is the address that an earlier launcher gave a daemon that still
// runs; empty where it is not known.
func (n *Node) recorded(d events.Source) string {
	f, err := config.ReadNodeFile(n.layout)
	if err != nil {
		return ""
	}
	at := f.BusURL
	if d == events.Caddyd {
		at = f.EdgeURL
	}
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return u.Host
}

// resolveAddresses checks that the node's fixed ports are free, and chooses a
// port where one was left open.
func (n *Node) resolveAddresses() error {
	for _, a := range []struct {
		setting string
		address *string
		daemon  events.Source
	}{
		{"bus.listen", &n.Config.BusListen, events.Busd},
		{"edge.listen", &n.Config.EdgeListen, events.Caddyd},
	} {
		if n.omitted(a.daemon) {
			continue
		}
		if n.adopted[a.daemon] {
			// It runs already and keeps the port it has.
			if at := n.recorded(a.daemon); at != "" {
				*a.address = at
			}
			continue
		}
		l, err := listen(a.address)
		if err != nil {
			return portError(a.setting, *a.address, err)
		}
		defer l.Close() // only now, so that the next one is another
	}
	return nil
}

// listen takes a port, and chooses one first where that is left open. One that was free
// a moment ago may not be: a child that is just being forked has it open too.
func listen(address *string) (l net.Listener, err error) {
	host, port, err := net.SplitHostPort(*address)
	if err != nil || port != "0" {
		return net.Listen("tcp", *address)
	}
	for range 10 {
		n, ferr := ports.Free("tcp")
		if ferr != nil {
			return nil, ferr
		}
		chosen := net.JoinHostPort(host, strconv.Itoa(n))
		if l, err = net.Listen("tcp", chosen); err == nil {
			*address = chosen
			return l, nil
		}
	}
	return nil, err
}

// portError names who holds the port.
func portError(setting, address string, err error) error {
	failure := &StageError{Err: fmt.Errorf("%s %s: %w", setting, address, err), Fix: "stop what holds the port, or choose another with --" + setting}
	_, text, splitErr := net.SplitHostPort(address)
	port, convErr := net.LookupPort("tcp", text)
	if splitErr != nil || convErr != nil {
		return failure
	}
	switch h, ok := ports.HolderOf(port); {
	case ok && h.PID == 0: // which one is not ours to see
		failure.Err = fmt.Errorf("%s %s: the port is held by %s", setting, address, h)
	case ok:
		failure.Err = fmt.Errorf("%s %s: the port is held by pid %d (%s)", setting, address, h.PID, h.Command)
		failure.Fix = fmt.Sprintf("stop pid %d, or choose another port with --%s", h.PID, setting)
	}
	return failure
}

func (n *Node) downConfig(ctx context.Context) error {
	err := errors.Join(n.supervision.stop(), n.local.stop())
	if n.lock != nil {
		// The file stays: removing it could take a newer launcher's lock away.
		err = errors.Join(err, n.lock.Unlock())
	}
	return err
}

// tail returns the last lines of a daemon's log file.
func (n *Node) tail(d events.Source, lines int) []string {
	return runner.Tail(n.layout.Log(string(d)), lines)
}
