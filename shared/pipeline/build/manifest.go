package build

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"core.internal/shared/pipeline"
)

// ManifestFile is the manifest's name in a run's directory.
const ManifestFile = "manifest.json"

// ManifestObject is the latest manifest's name in the object store.
const ManifestObject = Name + "/" + ManifestFile

// Manifest lists what a run built. It says nothing of when and where, so that
// the same sources give the same manifest.
type Manifest struct {
	Version int `json:"version"` // 1
	Toolchain
	Binaries []Binary `json:"binaries"` // by name
}

func (o Options) manifest(ctx context.Context, j pipeline.Job, t Toolchain, binaries []Binary) (Manifest, error) {
	m := Manifest{Version: 1, Toolchain: t, Binaries: slices.Clone(binaries)}
	slices.SortFunc(m.Binaries, func(a, b Binary) int { return cmp.Compare(a.Name, b.Name) })
	for _, b := range m.Binaries {
		info, err := os.Stat(filepath.Join(o.runDir(j), b.Name))
		if err != nil {
			return m, fmt.Errorf("a binary is gone that an earlier step built: %w: start a new run", err)
		}
		if info.Size() != b.Size {
			return m, fmt.Errorf("%s has %d bytes and had %d when it was built: start a new run", b.Name, info.Size(), b.Size)
		}
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, err
	}
	data = append(data, '\n')
	file := filepath.Join(o.runDir(j), ManifestFile)
	if err := renameio.WriteFile(file, data, 0o644); err != nil {
		return m, fmt.Errorf("write the manifest: %w", err)
	}
	fmt.Fprintf(j.Log, "%s lists %d binaries\n", file, len(m.Binaries))
	o.publish(ctx, j, data)
	return m, o.prune(j)
}

// publish puts the manifest into the object store. The build is complete without.
func (o Options) publish(ctx context.Context, j pipeline.Job, data []byte) {
	if o.Store == nil {
		return
	}
	if err := o.Store(ctx, ManifestObject, data); err != nil {
		fmt.Fprintf(j.Log, "the object store does not take the manifest: %v\n", err)
		return
	}
	fmt.Fprintf(j.Log, "stored as %s\n", ManifestObject)
}

// abandoned is when a run that has left no manifest is taken for failed.
const abandoned = 24 * time.Hour

// prune removes the directories of the oldest runs, but never this one's and
// none in which something may still be built.
func (o Options) prune(j pipeline.Job) error {
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return err
	}
	type old struct {
		dir  string
		time time.Time
	}
	var complete, gone []old
	for _, e := range entries {
		run := old{dir: filepath.Join(o.Dir, e.Name())}
		if info, err := e.Info(); err == nil {
			run.time = info.ModTime()
		}
		_, err := os.Stat(filepath.Join(run.dir, ManifestFile))
		switch {
		case e.Name() == string(j.Run):
		case err == nil:
			complete = append(complete, run)
		case time.Since(run.time) > abandoned:
			gone = append(gone, run)
		}
	}
	slices.SortFunc(complete, func(a, b old) int { return cmp.Or(b.time.Compare(a.time), cmp.Compare(a.dir, b.dir)) })
	keep := o.Keep
	if keep < 1 {
		keep = defaultKeep
	}
	for _, r := range append(gone, complete[min(keep-1, len(complete)):]...) {
		if err := os.RemoveAll(r.dir); err != nil {
			return fmt.Errorf("remove the output of an old run: %w", err)
		}
		fmt.Fprintln(j.Log, "removed the older", r.dir)
	}
	return nil
}
