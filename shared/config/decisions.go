package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"core.internal/shared/events"
)

// DecisionsVersion is the version of [Decisions].
const DecisionsVersion = 1

// Decisions are what operators decided about the services of a node. They are
// kept in a file of the node directory, so that they hold whatever becomes of
// the bus and the daemons.
type Decisions struct {
	Version int `json:"version"`
	// Boot identifies the boot of the machine in which Running was decided. In
	// another one it says nothing.
	Boot string `json:"boot,omitempty"`
	// Serial is that of the latest decision about Enabled, those that were taken back
	// too. 0 in a file that somebody wrote by hand.
	Serial   uint64                     `json:"serial,omitzero"`
	Services map[events.Entity]Decision `json:"services"`

	// Written is when the file was; zero where there is none.
	Written time.Time `json:"-"`
}

// Decision is what operators decided about one service. What they did not is nil.
type Decision struct {
	// Enabled holds at every boot of the node, whatever its profiles say.
	Enabled *bool         `json:"enabled,omitempty"`
	By      events.Source `json:"by,omitempty"` // who decided Enabled
	At      time.Time     `json:"at,omitzero"`  // and when
	// Serial counts the decisions about Enabled of all services: a higher one is later.
	Serial uint64 `json:"serial,omitzero"`
	// Running, where it is not as Enabled, holds until the node goes down.
	Running *bool `json:"running,omitempty"`
}

// Wants reports whether a service is enabled that its profiles enable, or not.
func (d Decision) Wants(profile bool) bool {
	if d.Enabled != nil {
		return *d.Enabled
	}
	return profile
}

// DecisionsError says that the file of the decisions cannot be used.
type DecisionsError struct {
	File string
	Err  error // goes on where the file's name ends: "is not understood: …"
}

func (e *DecisionsError) Error() string {
	return fmt.Sprintf("what operators decided: %s %v: %s", e.File, e.Err, e.Fix())
}

func (e *DecisionsError) Unwrap() error { return e.Err }

// Fix is what to do about it.
func (e *DecisionsError) Fix() string {
	return "correct it, or remove it: then what the bus has kept of them counts, else the profiles"
}

// ReadDecisions reads what operators decided: nothing where there is no file. The
// error is a [*DecisionsError].
func ReadDecisions(l Layout) (Decisions, error) {
	none := Decisions{Version: DecisionsVersion, Services: map[events.Entity]Decision{}}
	b, written, err := readDated(l.Decisions())
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, &DecisionsError{File: l.Decisions(), Err: fmt.Errorf("cannot be read: %w", withoutPath(err))}
	}
	d, err := parseDecisions(b)
	if err != nil {
		return none, &DecisionsError{File: l.Decisions(), Err: err}
	}
	d.Written = written
	return d, nil
}

func readDated(file string) ([]byte, time.Time, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	b, err := io.ReadAll(f)
	return b, info.ModTime(), err
}

func parseDecisions(b []byte) (Decisions, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return Decisions{}, fmt.Errorf("is not understood: %w", err)
	}
	if head.Version != DecisionsVersion {
		return Decisions{}, fmt.Errorf("has version %d, and this release knows %d", head.Version, DecisionsVersion)
	}
	var d Decisions
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return Decisions{}, fmt.Errorf("is not understood: %w", err)
	}
	for id := range d.Services {
		if err := events.CheckToken(string(id)); err != nil {
			return Decisions{}, fmt.Errorf("is not understood: service %q: %w", id, err)
		}
	}
	if d.Services == nil {
		d.Services = map[events.Entity]Decision{}
	}
	return d, nil
}

// WriteDecisions replaces the file of the decisions. When it returns nil they are on
// the disk; after an error the file is whole too, and nearly always the one before.
func WriteDecisions(l Layout, d Decisions) error {
	d.Version = DecisionsVersion
	b, err := json.MarshalIndent(d, "", "  ")
	if err == nil {
		err = replaceThrough(l.Decisions(), append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w: see who may write there, and what space is left", l.Decisions(), withoutPath(err))
	}
	return nil
}

// EndBoot forgets what holds only until the node goes down.
func EndBoot(l Layout) error {
	d, err := ReadDecisions(l)
	if err != nil {
		return err
	}
	if !d.EndBoot() {
		return nil
	}
	return WriteDecisions(l, d)
}

// EndBoot removes what holds only until the node goes down, and reports whether there
// was any.
func (d Decisions) EndBoot() bool {
	removed := false
	for id, one := range d.Services {
		if one.Running == nil {
			continue
		}
		removed = true
		if one.Running = nil; one == (Decision{}) {
			delete(d.Services, id)
		} else {
			d.Services[id] = one
		}
	}
	return removed
}

// replaceThrough is [Replace] that has the disk keep the new content before it
// returns.
func replaceThrough(file string, data []byte, mode os.FileMode) error {
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := replace(file, data, mode, (*os.File).Sync); err != nil {
		return err
	}
	return dir.Sync() // the name
}

// withoutPath is an error of the file system without its operation and path.
func withoutPath(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
