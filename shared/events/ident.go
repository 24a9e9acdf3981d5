package events

import (
	"fmt"
	"strings"
)

// Identifiers. Each is one token of a subject; see [CheckToken].
type (
	Node   string // a node's name, unique in its cluster
	Source string // who states a fact or is asked for something: a daemon or a service
	Entity string // what a fact is about: a service, a stage, a run
	Fact   string // the last token of a fact's subject, past tense
	Verb   string // the last token of a command's subject
	ID     string // an envelope's identity, also its Nats-Msg-Id
)

// The platform's own sources.
const (
	Launcher  Source = "launcher"
	Busd      Source = "busd"
	Caddyd    Source = "caddyd"
	Procd     Source = "procd"
	Pipelined Source = "pipelined"
	// Console is the web shell: a service that may send commands.
	Console Source = "console"
	// Operator is the source of commands sent from a shell.
	Operator Source = "operator"
)

// Daemons lists the four daemons in the order in which the launcher starts them.
func Daemons() []Source { return []Source{Busd, Caddyd, Procd, Pipelined} }

// MaxToken is the longest token in bytes.
const MaxToken = 64

// CheckToken reports why s cannot be one token of a subject: tokens are 1 to
// [MaxToken] bytes of A-Z, a-z, 0-9, '-' and '_'.
func CheckToken(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("a name is empty: use letters, digits, '-' or '_'")
	case len(s) > MaxToken:
		return fmt.Errorf("the name %.16q… has %d bytes: at most %d are allowed", s, len(s), MaxToken)
	}
	for i := range len(s) {
		c := s[i]
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
		if !ok {
			return fmt.Errorf("the name %q has %q: use letters, digits, '-' or '_'", s, s[i])
		}
	}
	return nil
}

// Type names what an envelope says, as "<aggregate>.<fact>": "service.healthy".
// For a fact the second part is the last token of its subject. The aggregate of
// a fact that a service states about its own domain is the service's id.
type Type string

// Aggregate returns the part before the dot.
func (t Type) Aggregate() string {
	a, _, _ := strings.Cut(string(t), ".")
	return a
}

// Fact returns the part after the dot.
func (t Type) Fact() Fact {
	_, f, _ := strings.Cut(string(t), ".")
	return Fact(f)
}
