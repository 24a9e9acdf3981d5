package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxEnvelope is the largest encoded envelope in bytes.
const MaxEnvelope = 256 << 10

// Header is everything of an envelope but what it says.
type Header struct {
	ID     ID
	Time   time.Time
	Node   Node
	Source Source
	Entity Entity
	Cause  ID // the command or fact that led to this one; may be empty
}

// Envelope is the one shape of every fact and command.
type Envelope struct {
	ID      ID              `json:"id"`
	Type    Type            `json:"type"`
	Version int             `json:"version"`
	Time    time.Time       `json:"time"`
	Node    Node            `json:"node"`
	Source  Source          `json:"source"`
	Entity  Entity          `json:"entity"`
	Cause   ID              `json:"cause,omitempty"`
	Data    json.RawMessage `json:"data"`

	// Seq is where a log holds the envelope; 0 before it is appended. It is
	// the log's to say and not part of the encoding.
	Seq uint64 `json:"-"`
}

// Body is what an envelope says. Each body type of this package has one
// [Type] and version; services add bodies of their own aggregate.
type Body interface {
	EventType() Type
	EventVersion() int
}

// New wraps a body. It fails where the header has a name that is no token or
// the body does not encode.
func New(h Header, b Body) (Envelope, error) {
	data, err := json.Marshal(b)
	if err != nil {
		return Envelope{}, fmt.Errorf("encode %s about %s: %w", b.EventType(), h.Entity, err)
	}
	e := Envelope{
		ID: h.ID, Type: b.EventType(), Version: b.EventVersion(), Time: h.Time.UTC(),
		Node: h.Node, Source: h.Source, Entity: h.Entity, Cause: h.Cause, Data: data,
	}
	if err := e.check(); err != nil {
		return Envelope{}, fmt.Errorf("%s about %q: %w", e.Type, h.Entity, err)
	}
	return e, nil
}

// Subject is where a fact is published.
func (e Envelope) Subject() Subject {
	return FactSubject(e.Node, e.Source, e.Entity, e.Type.Fact())
}

// Encode returns the envelope as JSON. It fails above [MaxEnvelope] bytes.
func (e Envelope) Encode() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode %s about %s: %w", e.Type, e.Entity, err)
	}
	if len(b) > MaxEnvelope {
		return nil, &DecodeError{Kind: Oversized, Err: fmt.Errorf("%s about %s has %d bytes: at most %d are allowed", e.Type, e.Entity, len(b), MaxEnvelope)}
	}
	return b, nil
}

// Kind says why an envelope was not understood.
type Kind string

// The kinds of a [DecodeError], also the facts under which it is kept aside.
const (
	Malformed Kind = "malformed" // not the JSON of an envelope, or of its body
	Oversized Kind = "oversized" // more than MaxEnvelope bytes
	Unknown   Kind = "unknown"   // a type or version that this build does not know
)

// DecodeError says why bytes are no envelope. Seq is set by whoever read them
// from a log.
type DecodeError struct {
	Kind Kind
	Seq  uint64
	Err  error
}

func (e *DecodeError) Error() string {
	if e.Seq > 0 {
		return fmt.Sprintf("%s envelope at sequence %d: %v", e.Kind, e.Seq, e.Err)
	}
	return fmt.Sprintf("%s envelope: %v", e.Kind, e.Err)
}

func (e *DecodeError) Unwrap() error { return e.Err }

// Decode reads one envelope and checks that its body is understood. All errors
// are of type [*DecodeError].
func Decode(b []byte) (Envelope, error) {
	if len(b) > MaxEnvelope {
		return Envelope{}, &DecodeError{Kind: Oversized, Err: fmt.Errorf("%d bytes: at most %d are allowed", len(b), MaxEnvelope)}
	}
	var e Envelope
	if err := strict(b, &e); err != nil {
		return Envelope{}, &DecodeError{Kind: Malformed, Err: err}
	}
	if err := e.check(); err != nil {
		return Envelope{}, &DecodeError{Kind: Malformed, Err: err}
	}
	if _, err := Payload(e); err != nil {
		return Envelope{}, err
	}
	return e, nil
}

// DecodeRecord decodes what a log holds, checks that what stands on a fact's
// subject is that fact, and sets Seq.
func DecodeRecord(r Record) (Envelope, error) {
	e, err := Decode(r.Data)
	if err == nil && Match(AllFacts, r.Subject) {
		switch a := e.Type.Aggregate(); {
		case a == "request" || a == "step":
			err = &DecodeError{Kind: Malformed, Err: fmt.Errorf("%s is no fact", e.Type)}
		case e.Subject() != r.Subject:
			err = &DecodeError{Kind: Malformed, Err: fmt.Errorf("it stands on %s but belongs on %s", r.Subject, e.Subject())}
		}
	}
	if err != nil {
		var d *DecodeError
		if errors.As(err, &d) {
			d.Seq = r.Seq
		}
		return Envelope{}, err
	}
	e.Seq = r.Seq
	return e, nil
}

func (e Envelope) check() error {
	for _, f := range []struct{ name, token string }{
		{"id", string(e.ID)},
		{"node", string(e.Node)},
		{"source", string(e.Source)},
		{"entity", string(e.Entity)},
		{"type", e.Type.Aggregate()},
		{"type", string(e.Type.Fact())},
	} {
		if err := CheckToken(f.token); err != nil {
			return fmt.Errorf("field %q: %w", f.name, err)
		}
	}
	if e.Cause != "" {
		if err := CheckToken(string(e.Cause)); err != nil {
			return fmt.Errorf("field \"cause\": %w", err)
		}
	}
	switch {
	case e.Version < 1:
		return fmt.Errorf("field \"version\": %d: want 1 or more", e.Version)
	case e.Time.IsZero():
		return errors.New(`field "time": missing`)
	case len(e.Data) == 0 || e.Data[0] != '{':
		return errors.New(`field "data": want an object`)
	}
	return nil
}

// strict decodes exactly one JSON value without unknown or repeated members. What is
// wrong it says in words of JSON, not of Go, and where.
func strict(b []byte, v any) error {
	err := jsonv2.Unmarshal(b, v, jsonv2.RejectUnknownMembers(true))
	var s *jsonv2.SemanticError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &s):
		return errors.New(strings.TrimPrefix(err.Error(), "jsontext: "))
	}
	reason := s.Err
	if reason == nil {
		kind := s.JSONKind.String()
		switch s.JSONKind {
		case jsontext.KindBeginObject:
			kind = "object"
		case jsontext.KindBeginArray:
			kind = "array"
		}
		reason = fmt.Errorf("it cannot be a JSON %s", kind)
	}
	if s.JSONPointer == "" {
		return reason
	}
	return fmt.Errorf("%s: %w", s.JSONPointer, reason)
}
