//go:build linux

package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"core.internal/shared/process"
)

// A record is a journal of JSON lines: first the intent to start an instance,
// then what became of it. Each line is one write, the fork comes after the first,
// and a line that is not whole did not happen.

const (
	recordVersion = 1
	recordSuffix  = ".proc"
	newSuffix     = ".new" // after it, of one that is being written
)

// record is a journal's first line.
type record struct {
	Version   int            `json:"v"`
	Boot      string         `json:"boot"`
	Ticks     uint64         `json:"ticks"` // the process starts later
	By        identity       `json:"by"`    // who starts it
	ID        string         `json:"id"`
	Instance  string         `json:"instance"`
	Digest    string         `json:"digest"`
	Path      string         `json:"path"`
	Stdout    string         `json:"stdout"`
	Stderr    string         `json:"stderr,omitempty"`
	Offset    int64          `json:"offset"` // of its first line in Stdout
	ErrOffset int64          `json:"err_offset,omitempty"`
	Retention time.Duration  `json:"retention,omitempty"`
	Signal    int            `json:"signal"`
	Timeout   time.Duration  `json:"timeout"`
	Note      string         `json:"note,omitempty"`
	Output    process.Output `json:"output,omitzero"`
	Hook      string         `json:"hook,omitempty"`
	Group     string         `json:"group,omitempty"` // its control group, a directory
	// Unenforced is in words what of its resources nobody enforces.
	Unenforced string `json:"unenforced,omitempty"`
	// UID and GID own its FIFOs and log files, where it is another's.
	UID *uint32 `json:"uid,omitempty"`
	GID *uint32 `json:"gid,omitempty"`
}

// owner is whom its FIFOs and log files belong to; nil for the supervisor.
func (r *record) owner() *process.Account {
	if r.UID == nil || r.GID == nil {
		return nil
	}
	return &process.Account{UID: *r.UID, GID: *r.GID}
}

// hookSuffix makes the id under which a hook of a service is recorded. It is no
// token: no service has it.
const hookSuffix = ".hook"

// recordID is the id of a command's record.
func recordID(c process.Command) string {
	if c.Hook != "" {
		return c.ID + hookSuffix
	}
	return c.ID
}

// service is whose record it is, or whose hook's.
func (r *record) service() string { return strings.TrimSuffix(r.ID, hookSuffix) }

// entry is a further line: one of its fields is set.
type entry struct {
	Started *identity   `json:"started,omitempty"`
	By      *identity   `json:"by,omitempty"` // adopted
	Exit    *exitRecord `json:"exit,omitempty"`
	Matched bool        `json:"matched,omitempty"` // a line did
	// Followed is an instance after whose end what follows is done.
	Followed string `json:"followed,omitempty"`
}

// exitRecord says how the process ended. Pid and start time are in it because a
// reaper may write it when the journal is already another instance's.
type exitRecord struct {
	PID     int       `json:"pid"`
	Start   uint64    `json:"start"`
	Code    int       `json:"code"`
	Signal  string    `json:"signal,omitempty"`
	Unknown bool      `json:"unknown,omitempty"`
	Time    time.Time `json:"time"`
}

// journal is a record as read.
type journal struct {
	record
	started identity // zero: unknown whether it was started
	matched bool
	exit    *exitRecord
	// followed: what follows its end is done.
	followed bool
}

func recordPath(dir, id string) string { return filepath.Join(dir, id+recordSuffix) }

// fifoPath is one FIFO of an id. Its instances use the same ones in turn: a restart
// makes no files.
func fifoPath(dir, id, stream string) string { return filepath.Join(dir, id+"."+stream) }

// begin writes a journal's first line in the place of whatever was there, so that at any
// moment the file tells of this instance or of the one before.
func (r *record) begin(dir string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	path := recordPath(dir, r.ID)
	f, err := os.OpenFile(path, flags|os.O_EXCL, 0o600)
	replaces := errors.Is(err, fs.ErrExist)
	if replaces {
		f, err = os.OpenFile(path+newSuffix, flags|os.O_TRUNC, 0o600)
	}
	if err != nil {
		return nil, err
	}
	if err = put(f, r); err == nil && replaces {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	return f, nil
}

func put(f *os.File, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return err
}

// note adds a line to an existing journal.
func note(dir, id string, e entry) error {
	f, err := os.OpenFile(recordPath(dir, id), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	return errors.Join(put(f, e), f.Close())
}

// load reads a journal; nil without error where there is none, or where the
// first line is not whole, so that nothing was started.
func load(dir, id string) (*journal, error) {
	b, err := os.ReadFile(recordPath(dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of %s: %w", id, err)
	}
	return parseJournal(id, b)
}

func parseJournal(id string, b []byte) (*journal, error) {
	first, rest, whole := bytes.Cut(b, []byte{'\n'})
	if !whole {
		return nil, nil
	}
	j := &journal{}
	if err := json.Unmarshal(first, &j.record); err != nil {
		return nil, fmt.Errorf("read the record of %s: %w", id, err)
	}
	if j.Version != recordVersion || j.ID != id || j.Instance == "" {
		return nil, fmt.Errorf("read the record of %s: version %d of %q: want version %d of %q", id, j.Version, j.ID, recordVersion, id)
	}
	for line := range bytes.Lines(rest) {
		var e entry
		if json.Unmarshal(line, &e) != nil {
			continue // the write was cut short: it did not happen
		}
		switch {
		case e.Started != nil:
			j.started = *e.Started
		case e.By != nil:
			j.By = *e.By
		case e.Matched:
			j.matched = true
		case e.Followed != "":
			j.followed = e.Followed == j.Instance
		case e.Exit != nil && e.Exit.PID == j.started.PID && e.Exit.Start == j.started.Start:
			if j.exit == nil || j.exit.Unknown {
				j.exit = e.Exit
			}
		}
	}
	return j, nil
}

// recorded lists the ids with a record in a directory, sorted.
func recorded(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list records of processes: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), recordSuffix); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}
