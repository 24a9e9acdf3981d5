package dep

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// build makes the binaries of a workspace be there, one after the other.
func (s Store) build(ctx context.Context, wants []Want, report func(Progress)) (map[string]string, error) {
	if len(wants) == 0 {
		return nil, nil
	}
	bin, err := filepath.Abs(s.Bin)
	if err == nil {
		s.Workspace, err = filepath.Abs(s.Workspace)
	}
	if err != nil {
		return nil, fmt.Errorf("find the directory for binaries: %w", err)
	}
	s.Bin = bin
	paths := make(map[string]string, len(wants))
	goCommand, haveGo := s.lookPath("go")
	settings := s.settings(goCommand)
	seen := look{}
	var stale []Want
	for _, w := range wants {
		paths[w.Name] = filepath.Join(bin, w.Name)
		if !fresh(bin, w.Name, settings, seen) {
			stale = append(stale, w)
		}
	}
	if len(stale) == 0 {
		return paths, nil
	}
	if !haveGo {
		return nil, &Error{stale[0].Name, stale[0].Source, errors.New("it has to be built, and the command go is not on PATH"), "install Go from https://go.dev/dl and add it to PATH"}
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory for binaries: %w: make its parent writable, or choose another root", err)
	}
	b := &builder{Store: s, goCommand: goCommand, settings: settings, stale: stale}
	for i, w := range stale {
		b.p = Progress{Name: w.Name, Index: i + 1, Total: len(stale)}
		b.began, b.report = time.Now(), report
		if err := b.one(ctx, w); err != nil {
			b.p.Err = err
			b.tell(PhaseFailed)
			return nil, err
		}
	}
	return paths, nil
}

// builder builds the binaries that are not fresh.
type builder struct {
	Store
	goCommand, settings string
	stale               []Want

	taken  time.Time // before list was asked
	listed *listed   // of all stale ones; nil until the first is built

	p      Progress
	began  time.Time
	report func(Progress)
}

func (b *builder) tell(phase Phase) {
	b.p.Phase, b.p.Elapsed = phase, time.Since(b.began)
	b.report(b.p)
}

// one builds one binary unless another process does so first.
func (b *builder) one(ctx context.Context, w Want) error {
	fail := func(err error, fix string) error { return &Error{w.Name, w.Source, err, fix} }
	lock := flock.New(filepath.Join(b.Bin, "."+w.Name+".lock"))
	locked, err := lock.TryLock()
	if err == nil && !locked {
		b.tell(PhaseWaiting)
		_, err = lock.TryLockContext(ctx, 20*time.Millisecond)
	}
	if err != nil {
		return fail(fmt.Errorf("lock it against other builds: %w", err), "make the directory for binaries writable")
	}
	defer lock.Unlock()
	if fresh(b.Bin, w.Name, b.settings, look{}) {
		return nil
	}
	if b.listed == nil {
		b.tell(PhaseListing)
		var packages []string
		for _, s := range b.stale[b.p.Index-1:] {
			packages = append(packages, s.Asset)
		}
		b.taken = time.Now()
		if b.listed, err = b.list(ctx, b.goCommand, packages); err != nil {
			return fail(err, "")
		}
	}
	root, ok := b.listed.root(b.Workspace, w.Asset)
	if !ok {
		return fail(fmt.Errorf("the workspace %s has no package %s", b.Workspace, w.Asset), "correct field dep.asset")
	}
	packages := b.listed.closure(root)
	b.p.PackagesTotal = len(packages)
	inputs := b.inputs(packages)
	b.tell(PhaseBuilding)
	if err := b.compile(ctx, w, packages); err != nil {
		return err
	}
	if err := writeManifest(b.Bin, w.Name, b.settings, b.taken, inputs); err != nil {
		return fail(fmt.Errorf("note what it was built from: %w", err), "make the directory for binaries writable")
	}
	b.tell(PhaseBuilt)
	return nil
}

// inputs are the states of all files that the packages are built from.
func (b *builder) inputs(packages map[string]*goPackage) map[string]fileState {
	inputs, seen := map[string]fileState{}, look{}
	for _, name := range []string{"go.work", "go.work.sum"} {
		path := filepath.Join(b.Workspace, name)
		inputs[path] = seen.at(path)
	}
	for _, p := range packages {
		if p.local() {
			p.files(inputs, seen)
		}
	}
	return inputs
}

// compile runs go build and puts its result in place.
func (b *builder) compile(ctx context.Context, w Want, packages map[string]*goPackage) error {
	path := filepath.Join(b.Bin, w.Name)
	tmp := filepath.Join(b.Bin, fmt.Sprintf(".%s.%d.tmp", w.Name, os.Getpid()))
	defer os.Remove(tmp)
	// The go command links only where the output is not what it would make. It
	// never writes into a file that is there.
	os.Remove(tmp)
	if Intact(b.Bin, w.Name) {
		if err := os.Link(path, tmp); err != nil {
			os.Remove(tmp) // no links here: the go command links anew
		}
	}
	cmd := b.command(ctx, b.goCommand, GoBuild(tmp, w.Asset)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	fail := func(err error, fix string) error { return &Error{w.Name, w.Source, err, fix} }
	if err := cmd.Start(); err != nil {
		return fail(fmt.Errorf("run go build: %w", err), "")
	}
	output := b.follow(stderr, packages)
	err = cmd.Wait()
	if ctx.Err() != nil {
		return fail(context.Cause(ctx), "")
	}
	if err != nil {
		if output == "" {
			return fail(fmt.Errorf("go build: %w", err), "")
		}
		return fail(errors.New("go build:\n"+trimmed(output)), "")
	}
	if err := os.Rename(tmp, path); err != nil {
		return fail(fmt.Errorf("put it in place: %w", err), "make the directory for binaries writable")
	}
	return nil
}

// follow counts the packages that go build -v names and returns the rest.
func (b *builder) follow(r io.Reader, packages map[string]*goPackage) string {
	var rest strings.Builder
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 4<<10), 1<<20)
	for scan.Scan() {
		if line := scan.Text(); packages[line] != nil {
			b.p.Packages++
			b.tell(PhaseBuilding)
		} else if rest.Len() < 1<<20 {
			rest.WriteString(line)
			rest.WriteByte('\n')
		}
	}
	io.Copy(io.Discard, r)
	return rest.String()
}

// command is a go command in the workspace. When ctx ends it is asked to end, so
// that it removes its temporary files.
func (s Store) command(ctx context.Context, goCommand string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, goCommand, args...)
	cmd.Dir = s.Workspace
	cmd.Env = append(append(os.Environ(), "PWD="+s.Workspace), GoEnviron(s.Workspace)...)
	interruptible(cmd)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// trimmed is what people can read of a compiler's output.
func trimmed(output string) string {
	const most = 40
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("… %d more lines", len(lines)-most))
	}
	return strings.Join(lines, "\n")
}
