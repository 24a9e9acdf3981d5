package events

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// AnySequence is the expected last sequence of a writer that does not care.
const AnySequence = ^uint64(0)

// Record is one stored message, not yet understood.
type Record struct {
	Seq     uint64
	Subject Subject
	Time    time.Time // when it was stored
	Data    []byte
}

// Log is an append-only log of facts.
type Log interface {
	// Append stores e on its subject and returns its sequence. last is the
	// sequence of the last fact that e's source stated about e's entity, 0 for
	// none, or AnySequence. Where the log holds another, nothing is stored and
	// the error is a *ConflictError. An id that the log already holds is not
	// stored again: its sequence is returned.
	Append(ctx context.Context, e Envelope, last uint64) (uint64, error)
	// Last returns the sequence of the last record that the filter matches, 0
	// for none.
	Last(ctx context.Context, filter Subject) (uint64, error)
	// Read yields the records after a sequence, in order, up to the last one
	// that was there when it began.
	Read(ctx context.Context, after uint64) iter.Seq2[Record, error]
}

// ConflictError says that somebody else wrote in between.
type ConflictError struct {
	Subject Subject // the scope of the expectation
	Want    uint64  // expected last sequence
	Got     uint64  // the log's; 0 where it did not say
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("append to %s: expected last sequence %d, the log is at %d: read again and decide anew", e.Subject, e.Want, e.Got)
}

// LogLine is one line that a process or a pipeline step wrote, as it travels on
// [LogSubject]. Bytes that are not UTF-8 are kept in Raw instead of Text.
type LogLine struct {
	Time time.Time `json:"time"`
	Text string    `json:"text,omitempty"`
	Raw  []byte    `json:"raw,omitempty"`
	// Dropped counts the lines before this one that did not travel because
	// they came too fast; the file on disk has them.
	Dropped int `json:"dropped,omitempty"`
	// Cut counts the bytes at the end of this line that did not travel because
	// it is too long; the file on disk has them.
	Cut int `json:"cut,omitempty"`
	// Level is what the line says of its severity; empty where it says nothing.
	Level Level `json:"level,omitempty"`
}

// Level is the severity of a line.
type Level string

// Levels, from the least severe.
const (
	LevelTrace Level = "trace"
	LevelDebug Level = "debug"
	LevelInfo  Level = "info"
	LevelWarn  Level = "warn"
	LevelError Level = "error"
	LevelFatal Level = "fatal"
)

// Levels lists the levels from the least severe.
func Levels() []Level {
	return []Level{LevelTrace, LevelDebug, LevelInfo, LevelWarn, LevelError, LevelFatal}
}

// HeartbeatPause is the time between two heartbeats of what links shared/service.
const HeartbeatPause = time.Second

// Presence is the value of a heartbeat in [BucketPresence].
type Presence struct {
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
}

// Desired is the value of one service in [BucketDesired]: what operators decided
// about it. Without one its profiles decide.
type Desired struct {
	Enabled bool      `json:"enabled"`
	By      Source    `json:"by,omitempty"` // who decided it
	At      time.Time `json:"at,omitzero"`  // and when
	// Serial counts the decisions of the node: a higher one is later, also than a
	// file of them. 0 where it is not procd's.
	Serial uint64 `json:"serial,omitzero"`
}
