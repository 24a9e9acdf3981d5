package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// NodeFileVersion is the version of [NodeFile].
const NodeFileVersion = 1

// NodeFile tells other programs where a running node is. It has no secrets: the
// console's address is without its token.
type NodeFile struct {
	Version    int       `json:"version"`
	PID        int       `json:"pid"` // of the launcher
	BusURL     string    `json:"bus_url"`
	EdgeURL    string    `json:"edge_url,omitempty"`
	ConsoleURL string    `json:"console_url,omitempty"`
	Started    time.Time `json:"started"`
}

// ReadNodeFile reads what a running node wrote. It fails with
// [os.ErrNotExist] where none runs.
func ReadNodeFile(l Layout) (NodeFile, error) {
	var f NodeFile
	b, err := os.ReadFile(l.NodeFile())
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("%s: %w", l.NodeFile(), err)
	}
	if f.Version != NodeFileVersion {
		return f, fmt.Errorf("%s: version %d: want %d: take the node down with the launcher that started it", l.NodeFile(), f.Version, NodeFileVersion)
	}
	return f, nil
}

// WriteNodeFile replaces the file at once. It is not forced to the disk: what it
// says does not outlive a loss of power.
func WriteNodeFile(l Layout, f NodeFile) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return Replace(l.NodeFile(), append(b, '\n'), 0o600)
}

// RemoveNodeFile removes the file, if it is there.
func RemoveNodeFile(l Layout) error {
	if err := os.Remove(l.NodeFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Replace writes a file so that whoever reads it gets the old content or the new
// one. It does not wait for the disk: after a loss of power the file may be the
// old one, or empty.
func Replace(file string, data []byte, mode os.FileMode) error {
	return replace(file, data, mode, func(*os.File) error { return nil })
}

// replace calls written before the new file takes the place of the old one.
func replace(file string, data []byte, mode os.FileMode, written func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(data); err == nil {
		err = written(f)
	}
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
