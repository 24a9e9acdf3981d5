package state

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxSnapshot bounds what a snapshot may unpack to.
const maxSnapshot = 64 << 20

// Encode returns s as JSON. Equal states are equal bytes.
func Encode(s State) ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the state of node %s: %w", s.Node, err)
	}
	return b, nil
}

// EncodeSnapshot returns s as compressed JSON, so that a node of a thousand
// services fits into one message. Equal states are equal bytes.
func EncodeSnapshot(s State) ([]byte, error) {
	b, err := Encode(s)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("compress the state of node %s: %w", s.Node, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress the state of node %s: %w", s.Node, err)
	}
	return out.Bytes(), nil
}

// DecodeSnapshot reads a snapshot of this build's [Version]. On any error the
// state is to be folded from the log instead.
func DecodeSnapshot(b []byte) (State, error) {
	fail := func(err error) (State, error) {
		return State{}, fmt.Errorf("read a snapshot of %d bytes: %w: fold the log from its beginning instead", len(b), err)
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return fail(err)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxSnapshot+1))
	if err != nil {
		return fail(err)
	}
	if len(data) > maxSnapshot {
		return fail(fmt.Errorf("it unpacks to more than %d bytes", maxSnapshot))
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fail(err)
	}
	if head.Version != Version {
		return fail(fmt.Errorf("version %d: this build reads version %d", head.Version, Version))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var s State
	if err := d.Decode(&s); err != nil {
		return fail(err)
	}
	if d.More() {
		return fail(errors.New("more than one JSON value"))
	}
	if s.Stages == nil || s.Daemons == nil || s.Services == nil || s.Routes == nil || s.Runs == nil || s.Ready == nil || s.Outcomes == nil {
		return fail(errors.New("a part of the state is missing"))
	}
	return s, nil
}
