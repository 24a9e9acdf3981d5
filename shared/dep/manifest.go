package dep

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/google/renameio/v2"
)

// manifestVersion is the version of [manifest].
const manifestVersion = 1

// manifest records what a binary was built from.
type manifest struct {
	Version int              `json:"version"`
	Want    Want             `json:"want"`
	Go      string           `json:"go"` // of this program: another may decide otherwise
	Inputs  map[string]stamp `json:"inputs"`
}

// stamp tells whether a file changed. Of a directory only the time counts: it
// changes when a file is added or removed.
type stamp struct {
	Size int64     `json:"size"`
	Time time.Time `json:"time"`
}

// stats remembers stamps for the length of one Ensure: binaries share inputs.
type stats map[string]stamp

func (s stats) of(path string) stamp {
	if known, ok := s[path]; ok {
		return known
	}
	var now stamp // zero where there is no such file
	if info, err := os.Stat(path); err == nil {
		now.Time = info.ModTime().UTC()
		if !info.IsDir() {
			now.Size = info.Size()
		}
	}
	s[path] = now
	return now
}

func newManifest(w Want, inputs []string) manifest {
	seen := stats{}
	for _, path := range inputs {
		seen.of(path)
	}
	return manifest{Version: manifestVersion, Want: w, Go: runtime.Version(), Inputs: seen}
}

func (s Store) manifestFile(w Want) string { return filepath.Join(s.Bin, "."+w.Name+".json") }

func (s Store) record(m manifest) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return renameio.WriteFile(s.manifestFile(m.Want), b, 0o644)
}

// fresh reports whether a binary is there and made of what there is now.
func (s Store) fresh(w Want, seen stats) bool {
	if info, err := os.Stat(filepath.Join(s.Bin, w.Name)); err != nil || !info.Mode().IsRegular() {
		return false
	}
	b, err := os.ReadFile(s.manifestFile(w))
	if err != nil {
		return false
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil || m.Version != manifestVersion || m.Want != w || m.Go != runtime.Version() {
		return false
	}
	for path, then := range m.Inputs {
		if now := seen.of(path); now.Size != then.Size || !now.Time.Equal(then.Time) {
			return false
		}
	}
	return true
}
