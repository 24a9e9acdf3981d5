package dep

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// tellEvery is how often the progress of one build is told.
const tellEvery = time.Second

// build is one go build.
type build struct {
	store    Store
	want     Want
	began    time.Time
	report   func(Progress)
	progress Progress
}

func (b *build) tell(phase Phase) {
	b.progress.Phase, b.progress.Elapsed = phase, time.Since(b.began)
	b.report(b.progress)
}

// run builds the binary, unless another process has done so meanwhile.
func (b *build) run(ctx context.Context) error {
	b.tell(Counting)
	lock := flock.New(filepath.Join(b.store.Bin, "."+b.want.Name+".lock"))
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return b.fail(fmt.Errorf("wait for another build: %w", err))
	}
	defer lock.Unlock()
	if b.store.fresh(b.want, stats{}) {
		b.tell(Built)
		return nil
	}
	list, err := b.list(ctx)
	if err != nil {
		return err
	}
	// Sources are looked at before they are compiled, so that what changes
	// meanwhile is built again the next time.
	m := newManifest(b.want, list.inputs)
	b.progress.PackagesTotal = list.packages
	if err := b.compile(ctx); err != nil {
		return err
	}
	if err := b.store.record(m); err != nil {
		return b.fail(err)
	}
	b.tell(Built)
	return nil
}

func (b *build) fail(err error) error { return &Error{Want: b.want, Err: err} }

func (b *build) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.store.Workspace
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// listing is what a package depends on.
type listing struct {
	packages int
	inputs   []string // files and directories of the workspace
}

// list asks the go command what goes into the binary. Only files of the
// workspace are remembered: those of other modules never change.
func (b *build) list(ctx context.Context) (listing, error) {
	var l listing
	cmd := b.command(ctx, "list", "-deps", "-json=Dir,GoFiles,EmbedFiles,CgoFiles,SFiles,HFiles,CFiles,Module,Standard", b.want.Asset)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return l, b.fail(fmt.Errorf("go list: %w\n%s", err, errs.Bytes()))
	}
	modules := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir                                                   string
			GoFiles, EmbedFiles, CgoFiles, SFiles, HFiles, CFiles []string
			Standard                                              bool
			Module                                                *struct {
				Main  bool
				GoMod string
			}
		}
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return l, b.fail(fmt.Errorf("go list: %w", err))
		}
		l.packages++
		if p.Standard || p.Module == nil || !p.Module.Main {
			continue
		}
		l.inputs = append(l.inputs, p.Dir)
		for _, files := range [][]string{p.GoFiles, p.EmbedFiles, p.CgoFiles, p.SFiles, p.HFiles, p.CFiles} {
			for _, f := range files {
				l.inputs = append(l.inputs, filepath.Join(p.Dir, f))
			}
		}
		if !modules[p.Module.GoMod] {
			modules[p.Module.GoMod] = true
			l.inputs = append(l.inputs, p.Module.GoMod, strings.TrimSuffix(p.Module.GoMod, "mod")+"sum")
		}
	}
	l.inputs = append(l.inputs, filepath.Join(b.store.Workspace, "go.work"), filepath.Join(b.store.Workspace, "go.work.sum"))
	return l, nil
}

// compile builds to a file of its own and renames it. Its flags are the default
// ones, so that it shares the build cache with go test and go run.
func (b *build) compile(ctx context.Context) error {
	b.tell(Building)
	temp := filepath.Join(b.store.Bin, fmt.Sprintf(".%s.%d.tmp", b.want.Name, os.Getpid()))
	defer os.Remove(temp)
	cmd := b.command(ctx, "build", "-v", "-o", temp, b.want.Asset)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return b.fail(err)
	}
	if err := cmd.Start(); err != nil {
		return b.fail(fmt.Errorf("go build: %w", err))
	}
	var complaints strings.Builder
	var told time.Time
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		line := lines.Text()
		// -v names a package a line; anything else is what the compiler says.
		if strings.ContainsAny(line, " \t:") {
			complaints.WriteString(line + "\n")
			continue
		}
		b.progress.Packages++
		if now := time.Now(); now.Sub(told) >= tellEvery {
			told = now
			b.tell(Building)
		}
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return b.fail(fmt.Errorf("go build: %w\n%s", err, complaints.String()))
	}
	if err := os.Rename(temp, filepath.Join(b.store.Bin, b.want.Name)); err != nil {
		return b.fail(err)
	}
	return nil
}
