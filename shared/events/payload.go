package events

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Domain is the body of a fact of a service's own aggregate, which the platform
// carries but does not read.
type Domain struct {
	Type    Type
	Version int
	Data    json.RawMessage
}

func (d Domain) EventType() Type              { return d.Type }
func (d Domain) EventVersion() int            { return d.Version }
func (d Domain) MarshalJSON() ([]byte, error) { return d.Data, nil }

type schemaKey struct {
	t Type
	v int
}

// catalog maps what the platform states to the Go types of its bodies.
var catalog = func() map[schemaKey]reflect.Type {
	m := map[schemaKey]reflect.Type{}
	for _, b := range bodies() {
		m[schemaKey{b.EventType(), b.EventVersion()}] = reflect.TypeOf(b)
	}
	return m
}()

// platform is the set of aggregates that only the platform uses.
var platform = func() map[string]bool {
	m := map[string]bool{}
	for _, b := range bodies() {
		m[b.EventType().Aggregate()] = true
	}
	return m
}()

// Reserved reports whether an aggregate belongs to the platform, so that no
// service may have it as its id.
func Reserved(aggregate string) bool { return platform[aggregate] }

// Catalog lists one zero body of every type the platform knows, in a fixed
// order: for documentation and for tests.
func Catalog() []Body { return bodies() }

// Payload decodes an envelope's body: a value (not a pointer) of a body type of
// this package, or a [Domain] where the aggregate is the source's own. Errors
// are of type [*DecodeError].
func Payload(e Envelope) (Body, error) {
	t, ok := catalog[schemaKey{e.Type, e.Version}]
	if !ok {
		if !platform[e.Type.Aggregate()] && e.Type.Aggregate() == string(e.Source) {
			return Domain{Type: e.Type, Version: e.Version, Data: e.Data}, nil
		}
		return nil, &DecodeError{Kind: Unknown, Seq: e.Seq, Err: fmt.Errorf("type %q version %d from %q is not known to this build", e.Type, e.Version, e.Source)}
	}
	v := reflect.New(t)
	if err := strict(e.Data, v.Interface()); err != nil {
		return nil, &DecodeError{Kind: Malformed, Seq: e.Seq, Err: fmt.Errorf("body of %s: %w", e.Type, err)}
	}
	return v.Elem().Interface().(Body), nil
}

// As decodes a body of one known type. It fails where the envelope says
// something else.
func As[B Body](e Envelope) (B, error) {
	var want B
	if e.Type != want.EventType() || e.Version != want.EventVersion() {
		return want, &DecodeError{Kind: Unknown, Seq: e.Seq, Err: fmt.Errorf("type %s version %d: want %s version %d", e.Type, e.Version, want.EventType(), want.EventVersion())}
	}
	if err := strict(e.Data, &want); err != nil {
		return want, &DecodeError{Kind: Malformed, Seq: e.Seq, Err: fmt.Errorf("body of %s: %w", e.Type, err)}
	}
	return want, nil
}
