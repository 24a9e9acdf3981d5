package spec

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// registered is a spec as the bucket of a node's specs has it.
type registered struct {
	File      string          `json:"file"` // where it was found
	ReplicaOf ServiceID       `json:"replica_of,omitempty"`
	Replica   int             `json:"replica,omitempty"`
	Spec      json.RawMessage `json:"spec"`
}

// EncodeRegistered writes a spec for the bucket of those that are in force. Its
// file is absolute: who reads it may be elsewhere.
func EncodeRegistered(s Located) ([]byte, error) {
	service, err := json.Marshal(s.Service)
	if err != nil {
		return nil, fmt.Errorf("encode the spec of %s: %w", s.ID, err)
	}
	file := filepath.Join(s.Dir, filepath.Base(s.File))
	b, err := json.Marshal(registered{File: file, ReplicaOf: s.ReplicaOf, Replica: s.Replica, Spec: service})
	if err != nil {
		return nil, fmt.Errorf("encode the spec of %s: %w", s.ID, err)
	}
	return b, nil
}

// DecodeRegistered reads what [EncodeRegistered] wrote.
func DecodeRegistered(b []byte) (Located, error) {
	var v registered
	if err := json.Unmarshal(b, &v); err != nil {
		return Located{}, fmt.Errorf("decode a registered spec: %w", err)
	}
	s, err := ParseLocated(v.File, v.Spec)
	if err != nil {
		return Located{}, fmt.Errorf("decode a registered spec: %w", err)
	}
	s.ReplicaOf, s.Replica = v.ReplicaOf, v.Replica
	return s, nil
}
